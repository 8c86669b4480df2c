//! Backups in an S3-compatible store: moto's server, over TLS, as real as one gets on a loopback.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use client::KeyRequest;

use crate::support::{Cluster, KEYRAFT, NODES, text, until};

/// A store that ends with the test.
struct Store {
    server: Child,
    endpoint: String,
}

impl Store {
    /// Starts one that speaks TLS with the certificate of a node, and makes a bucket.
    fn start(cluster: &Cluster, python: &Path) -> Self {
        // The last port of the cluster's own block.
        let port = (cluster.ports.kmip + 90).to_string();
        let tls = cluster.node(0).join("tls");
        let server = Command::new(python)
            .args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port, "--ssl"])
            .arg("--ssl-cert")
            .arg(tls.join("server.pem"))
            .arg("--ssl-key")
            .arg(tls.join("server.key"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("moto's server starts");
        let store = Self { server, endpoint: format!("https://127.0.0.1:{port}") };
        until("the store has a bucket", || store.make_bucket(cluster, python));
        store
    }

    fn make_bucket(&self, cluster: &Cluster, python: &Path) -> bool {
        const SCRIPT: &str = "import boto3, sys; boto3.client('s3', endpoint_url=sys.argv[1], verify=sys.argv[2], \
             region_name='us-east-1', aws_access_key_id='k', aws_secret_access_key='s')\
             .create_bucket(Bucket='backups')";
        let mut command = Command::new(python);
        command.args(["-c", SCRIPT, &self.endpoint]).arg(cluster.data.join("ca/server.pem"));
        command.output().is_ok_and(|output| output.status.success())
    }

    /// Lets every node keep its backups there.
    fn configure(&self, cluster: &mut Cluster) {
        let key = cluster.data.join("s3-key");
        fs::write(&key, "testing\n").expect("a key");
        let (key, ca) = (format!("{key:?}"), format!("{:?}", cluster.data.join("ca/server.pem")));
        for i in 0..NODES {
            let file = cluster.node(i).join("config.toml");
            let settings = fs::read_to_string(&file).expect("a configuration");
            let (before, rest) = settings.split_once("[backup]\n").expect("the section of backups");
            let (_, after) = rest.split_once('\n').expect("its one line");
            let section = format!(
                "[backup]\ntarget = \"s3://backups/keyraft\"\n\n[backup.s3]\nendpoint = \"{}\"\n\
                 access_key_file = {key}\nsecret_key_file = {key}\nca_file = {ca}\n",
                self.endpoint
            );
            fs::write(&file, format!("{before}{section}{after}")).expect("written");
            cluster.kill(i);
        }
        (0..NODES).for_each(|i| cluster.run(i));
        (0..NODES).for_each(|i| cluster.caught_up(i));
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// The interpreter of the environment with moto, which `scripts/setup` makes.
fn python() -> Option<PathBuf> {
    if let Some(python) = std::env::var_os("KEYRAFT_TEST_PYTHON_ROOTS") {
        return Some(python.into());
    }
    let home = std::env::var_os("HOME").map(PathBuf::from)?;
    let cache = std::env::var_os("XDG_CACHE_HOME").map_or_else(|| home.join(".cache"), PathBuf::from);
    let environment = cache.join("keyraft/python-roots");
    environment.join("installed").exists().then(|| environment.join("bin/python"))
}

fn keyraft(arguments: &[&str], config: &Path) -> Output {
    let mut command = Command::new(KEYRAFT);
    command.args(arguments).arg("--config").arg(config).output().expect("keyraft starts")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_in_a_store_is_made_listed_checked_and_restored() {
    let Some(python) = python() else {
        eprintln!("skipped: no Python environment with moto; `make setup` makes it");
        return;
    };
    let mut cluster = Cluster::start();
    let store = Store::start(&cluster, &python);
    store.configure(&mut cluster);
    let client = cluster.client(0, "tenant-a");
    let (identifier, bytes) =
        client.create_and_get(&KeyRequest::aes256().named("kept")).await.expect("a key");
    let made = cluster.json(&["backup", "create"]);
    let location = made["location"].as_str().expect("a location").to_owned();
    assert!(location.starts_with("s3://backups/keyraft/keyraft-"), "{location}");
    assert_eq!(cluster.json(&["backup", "list"])[0]["name"], made["name"]);

    let config = cluster.node(0).join("config.toml");
    let checked = keyraft(&["backup", "verify", &location], &config);
    assert!(text(&checked.stdout).contains("every row opens"), "{}", text(&checked.stderr));
    for (from, to, said) in [
        (store.endpoint.as_str(), store.endpoint.replace("https", "http"), "must begin with https://"),
        ("ca_file", "# ca_file".to_owned(), "cannot be fetched"),
    ] {
        let other = cluster.data.join("other.toml");
        let settings = fs::read_to_string(&config).expect("a configuration").replacen(from, &to, 1);
        fs::write(&other, settings).expect("written");
        let refused = keyraft(&["backup", "verify", &location], &other);
        assert!(
            !refused.status.success() && text(&refused.stderr).contains(said),
            "{}",
            text(&refused.stderr)
        );
    }

    (0..NODES).for_each(|i| cluster.kill(i));
    let lost = cluster.node(0).join("lost");
    fs::rename(cluster.node(0).join("data"), &lost).expect("the data moves");
    let gone = ["--destroyed", "node-0,node-1,node-2"];
    let restore = ["backup", "restore", &location, gone[0], gone[1]];
    let refused = text(&keyraft(&restore, &config).stderr);
    let (_, gap) = refused.trim_end().rsplit_once("--accept-gap ").expect("it names the gap");
    let restored = keyraft(&[&restore[..], &["--accept-gap", gap]].concat(), &config);
    assert!(restored.status.success(), "{}", text(&restored.stderr));
    cluster.run(0);
    until("the restored node is ready", || {
        cluster.status(0).is_some_and(|status| status["nodes"][0]["ready"] == true)
    });
    assert!(client.get(&identifier).await.expect("the key").expose() == bytes.expose());
}
