//! Tenants move to roots of every provider and back under load, and nodes are killed at every step of the move:
//! no request fails on the nodes that live, and the move is finished or as if it had never begun.
//!
//! `ACCEPTANCE_MIGRATIONS=all` is the proof (`make migrations`): all seven providers, or those it lists, the leader
//! and a follower killed at each step, and the pace of the load is demanded. Without it two providers lose three
//! nodes.
#![allow(clippy::print_stdout, reason = "the proof is to be read")]

use std::path::PathBuf;
use std::time::Instant;

use client::KeyRequest;
use rustix::process::Signal;
use serde_json::Value;

use crate::load::{Load, Served};
use crate::peers::{Described, PROVIDERS, Peers, Provider};
use crate::rest::{Events, Request};
use crate::support::{Cluster, NODES};

/// Requests a second while tenants move; a little above what is promised, since a second is never whole.
const PACE: usize = 1_050;
/// What the proof demands.
const PACE_MIN: f64 = 1_000.0;
/// How soon the last node must serve by the roots that a job left, in seconds.
const IN_USE_WITHIN_S: f64 = 5.0;
/// The steps of a job that something is left to do in.
const STEPS: [&str; 5] = ["validate", "wrap", "prove", "switch", "drop"];

/// Who is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Victim {
    /// The node that works on the job.
    Leader,
    /// One that has only to prove the new root.
    Follower,
    /// Another such, which is not started again before the job has ended.
    Absent,
}

/// What is tried.
struct Plan {
    providers: Vec<Provider>,
    /// The nodes killed while a tenant moves to a provider's root: at which step, who.
    strikes: fn(&Provider) -> Vec<(&'static str, Victim)>,
    is_proof: bool,
}

impl Plan {
    fn chosen() -> Self {
        if let Ok(wanted) = std::env::var("ACCEPTANCE_MIGRATIONS") {
            let is_wanted = |provider: &&Provider| {
                wanted == "all" || wanted.split(',').any(|wanted| wanted == provider.name)
            };
            let providers = PROVIDERS.iter().filter(is_wanted).copied().collect();
            let strikes = |provider: &Provider| {
                // Early enough to have proved nothing.
                let absent = (provider.name == "software").then_some(("validate", Victim::Absent));
                let each =
                    STEPS.into_iter().flat_map(|step| [(step, Victim::Leader), (step, Victim::Follower)]);
                each.chain(absent).collect()
            };
            return Self { providers, strikes, is_proof: true };
        }
        let strikes = |provider: &Provider| match provider.name {
            "software" => vec![("wrap", Victim::Leader), ("prove", Victim::Follower)],
            _ => vec![("switch", Victim::Leader)],
        };
        Self { providers: PROVIDERS[..2].to_vec(), strikes, is_proof: false }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_move_to_roots_of_every_provider_while_nodes_die() {
    let plan = Plan::chosen();
    let folder = tempfile::tempdir().expect("a folder");
    let peers = Peers::start(&plan.providers);
    let tenants: Vec<&str> = PROVIDERS.iter().map(|provider| provider.tenant).collect();
    let tenants = tenants.join(",");
    let root = if plan.is_proof { "softhsm" } else { "software" };
    let arguments = ["--root", root, "--tenants", tenants.as_str()];
    let mut cluster = Cluster::start_as(&peers.settings(folder.path()), &arguments);
    let roots: Vec<(Provider, Described)> = peers.roots(&cluster).collect();
    let mut slow = Vec::new();
    for (provider, described) in &roots {
        let mut mover = Mover::new(&mut cluster, *provider, described).await;
        let served = mover.moves_and_comes_back().await;
        if served.per_second < PACE_MIN {
            slow.push(format!("{} under {:.0} requests/s", provider.name, served.per_second));
        }
        for (step, victim) in (plan.strikes)(provider) {
            mover.is_struck(step, victim).await;
        }
    }
    assert!(!plan.is_proof || roots.len() == plan.providers.len(), "a provider was passed over");
    // Nothing failed; but a machine that could not keep the pace has not shown what is promised.
    assert!(!plan.is_proof || slow.is_empty(), "not exercised: {}", slow.join(", "));
}

/// A tenant that moves between the platform's root and its own.
struct Mover<'a> {
    cluster: &'a mut Cluster,
    provider: Provider,
    key: String,
    bytes: Vec<u8>,
}

impl<'a> Mover<'a> {
    /// Configures the root, which is tested first by itself.
    async fn new(cluster: &'a mut Cluster, provider: Provider, described: &Described) -> Self {
        let file = |name: &str, value: &Value| -> PathBuf {
            let file = cluster.data.join(format!("{}.{name}", provider.name));
            std::fs::write(&file, value.to_string()).expect("a file");
            file
        };
        let (config, credentials) =
            (file("config", &described.config), file("credentials", &described.credentials));
        let files = ["--config", path(&config), "--credentials", path(&credentials)];
        let tested = cluster.json(&[["root", "test", provider.tenant].as_slice(), &files].concat());
        assert_eq!(
            (&tested["passed"], &tested["provider"]),
            (&true.into(), &provider.name.into()),
            "{tested}"
        );
        cluster.json(&[["root", "configure", provider.tenant, "own"].as_slice(), &files].concat());
        let made = cluster.client(0, provider.tenant).create_and_get(&KeyRequest::aes256()).await;
        let (key, bytes) = made.expect("a key");
        Self { cluster, provider, key, bytes: bytes.expose().to_vec() }
    }

    fn load(&self, nodes: &[usize]) -> Load {
        Load::paced(PACE, self.cluster, self.provider.tenant, nodes, &self.key, &self.bytes)
    }

    fn switch(&self, root: &str) -> Value {
        self.cluster.json(&["root", "switch", self.provider.tenant, root, "--wait"])
    }

    async fn moves_and_comes_back(&mut self) -> Served {
        let load = self.load(&[0, 1, 2]);
        let mut took = Vec::new();
        let mut in_use: f64 = 0.0;
        for root in ["own", "platform"] {
            let began = Instant::now();
            let job = self.switch(root);
            assert_eq!(job["state"], "succeeded", "{job}");
            took.push(began.elapsed().as_secs_f64());
            in_use = in_use.max(in_use_after(&job));
        }
        let served = load.stop().await;
        println!(
            "{:<16} moved in {:.1} s and back in {:.1} s, in use by the last node after {in_use:.1} s at most: \
             0 of {} requests failed, {:.0}/s",
            self.provider.name, took[0], took[1], served.requests, served.per_second
        );
        served
    }

    /// A node is killed as soon as another one tells of the step; it is started again when the others have told
    /// where the job is.
    async fn is_struck(&mut self, step: &str, victim: Victim) {
        let leader = self.cluster.leader();
        let dies = if victim == Victim::Leader { leader } else { (leader + 1) % NODES };
        let lives: Vec<usize> = (0..NODES).filter(|node| *node != dies).collect();
        let witness = u16::try_from(lives[0]).expect("few nodes");
        let load = self.load(&lives);
        let mut events = self.follow(witness).await;
        let begin = self.ask(&format!("POST /v1/tenants/{}/roots/own:switch", self.provider.tenant));
        let begin = begin.to(witness);
        let (begun, ()) = tokio::join!(begin.send(self.cluster), async {
            at_step(&mut events, step).await;
            self.cluster.tell(dies, Signal::KILL);
        });
        assert_eq!(begun.status, 202, "{}", begun.body);
        self.cluster.kill(dies);
        if victim != Victim::Absent {
            self.cluster.run(dies);
        }
        let ended = at_end(&mut events).await;
        if victim == Victim::Absent {
            assert_eq!(ended["event"], "job_rolled_back", "a node has not proved the new root");
            self.cluster.run(dies);
        }
        let served = load.stop().await;
        self.cluster.caught_up(dies);
        self.is_where_it_was_told(&ended).await;
        assert!(served.requests > 0, "nobody asked the nodes that lived");
        println!(
            "{:<16} {:<8} {:<8} killed: {:<15} 0 of {} requests failed on the others, {:.0}/s",
            self.provider.name,
            step,
            format!("{victim:?}").to_lowercase(),
            ended["event"].as_str().unwrap_or_default(),
            served.requests,
            served.per_second
        );
        if ended["event"] == "job_finished" {
            let back = self.switch("platform");
            assert_eq!(back["state"], "succeeded", "{back}");
            in_use_after(&back);
        }
    }

    /// The roots in use are those the end of the job says, and every node gives the old key.
    async fn is_where_it_was_told(&self, ended: &Value) {
        let roots = self.cluster.json(&["root", "list", self.provider.tenant]);
        let used = roots.as_array().expect("roots").iter().filter(|root| root["in_use"] == true);
        let used: Vec<&str> = used.map(|root| root["name"].as_str().expect("a name")).collect();
        let told = if ended["event"] == "job_finished" { "own" } else { "platform" };
        assert_eq!(used, [told], "{roots}");
        for client in self.cluster.clients(self.provider.tenant) {
            assert_eq!(client.get(&self.key).await.expect("the old key").expose(), self.bytes);
        }
    }

    fn ask(&self, line: &str) -> Request {
        Request::new(line).token(&self.cluster.env()["KEYRAFT_TOKEN"])
    }

    /// What happens to the tenant from now on, as a node tells it.
    async fn follow(&self, node: u16) -> Events {
        let line = format!("GET /v1/events?tenant={}&limit=1000", self.provider.tenant);
        let known = self.ask(&line).to(node).send(self.cluster).await;
        let last = known.body["items"].as_array().and_then(|items| items.last()).expect("it was created");
        let last = last["id"].as_str().expect("a number");
        let request = self.ask(&line).to(node).header("Accept: text/event-stream");
        request.header(format!("Last-Event-ID: {last}")).follow(self.cluster).await
    }
}

/// Returns when the job has come to a step.
async fn at_step(events: &mut Events, step: &str) {
    loop {
        let (_, event) = events.next().await;
        let at = match event["event"].as_str() {
            Some("job_started") => "validate",
            Some("job_moved") => event["state"].as_str().expect("a step"),
            Some("job_finished" | "job_rolled_back") => panic!("the job ended before {step}: {event}"),
            _ => continue,
        };
        if at == step {
            return;
        }
    }
}

/// The event that ends the job.
async fn at_end(events: &mut Events) -> Value {
    loop {
        let (_, event) = events.next().await;
        if matches!(event["event"].as_str(), Some("job_finished" | "job_rolled_back")) {
            return event;
        }
    }
}

/// Seconds from the end of a job, which is told in whole seconds, until the last node served by what it left.
fn in_use_after(job: &Value) -> f64 {
    let (ended, everywhere) = (job["updated"].as_f64(), job["applied_everywhere_at"].as_f64());
    let after = everywhere.zip(ended).map(|(everywhere, ended)| everywhere - ended);
    let after = after.unwrap_or_else(|| panic!("not in use everywhere yet: {job}"));
    assert!(after < IN_USE_WITHIN_S, "in use by the last node after {after:.1} s: {job}");
    after
}

fn path(file: &std::path::Path) -> &str {
    file.to_str().expect("UTF-8")
}
