//! A disk that fills up: first the node hands over and proposes nothing, then it stops; the others go on.
//!
//! The node's data lies on a small file system of its own, which only root can mount.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use client::KeyRequest;

use crate::support::{Cluster, NODES, lives, until};

/// The file system: some 60 MiB are the node's, and 256 MiB must be free or it proposes nothing.
const SIZE: &str = "size=512m";
/// What is left free to take the node below its mark, in bytes.
const LITTLE: u64 = 128 << 20;

/// A file system in memory; unmounted when dropped.
struct Mount(PathBuf);

impl Mount {
    /// Moves a folder onto a file system of its own; `None` where that is not allowed.
    fn under(folder: &Path) -> Option<Self> {
        let aside = folder.with_extension("aside");
        fs::rename(folder, &aside).expect("the data moves");
        fs::create_dir(folder).expect("a mount point");
        let options = format!("{SIZE},mode=700");
        let mounted = run(Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]), &[folder]);
        let copied = Command::new("cp").arg("-a").arg(aside.join(".")).arg(folder).status();
        assert!(copied.is_ok_and(|status| status.success()), "the data is copied");
        mounted.then(|| Self(folder.to_owned()))
    }

    fn free(&self) -> u64 {
        let found = rustix::fs::statvfs(&self.0).expect("a file system");
        found.f_bavail * found.f_frsize
    }

    /// Fills it until so many bytes are free; 0 fills it to the last block.
    fn fill(&self, leave: u64) {
        let mut file = fs::File::create(self.0.join("filling")).expect("a file");
        let piece = vec![0; 1 << 20];
        while self.free() > leave && file.write_all(&piece).is_ok() {}
        while leave == 0 && file.write_all(&piece[..512]).is_ok() {}
    }

    fn make_room(&self) {
        fs::remove_file(self.0.join("filling")).expect("removed");
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily: a node that a failed test leaves behind may still hold files there.
        run(Command::new("umount").arg("-l"), &[&self.0]);
    }
}

fn run(command: &mut Command, folders: &[&Path]) -> bool {
    command.args(folders).output().is_ok_and(|output| output.status.success())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_disk_fills_up_hands_over_then_stops_and_the_others_go_on() {
    let mut cluster = Cluster::start();
    let full = cluster.leader();
    cluster.kill(full);
    let Some(mount) = Mount::under(&cluster.node(full).join("data")) else {
        eprintln!("skipped: mounting a tmpfs is not allowed here, so no disk can be filled");
        return;
    };
    cluster.run(full);
    cluster.caught_up(full);
    let pid = cluster.pid(full);
    let others: Vec<usize> = (0..NODES).filter(|i| *i != full).collect();
    let client = cluster.client(full, "tenant-a");
    let (known, _) = client.create_and_get(&KeyRequest::aes256()).await.expect("a key");
    let log =
        |what: &str| fs::read_to_string(cluster.node(full).join("log")).is_ok_and(|log| log.contains(what));

    mount.fill(LITTLE);
    until("the node says so", || log("the disk is nearly full: this node refuses proposals"));
    until("another leads", || cluster.leader() != full);
    client.get(&known).await.expect("it derives all the same");
    client.create(&KeyRequest::aes256().named("written through it, by another")).await.expect("a write");
    mount.make_room();
    until("it says that there is room", || log("there is room on the disk again"));

    mount.fill(0);
    let neighbour = cluster.client(others[0], "tenant-a");
    let mut written = 0;
    until("the node with the full disk has stopped", || {
        let stem = format!("write {written}");
        written += 1;
        let made = tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(neighbour.create(&KeyRequest::aes256().named(&stem)))
        });
        made.expect("the others write on");
        !lives(pid)
    });
    neighbour.get(&known).await.expect("the others serve");
    mount.make_room();
    cluster.run(full);
    cluster.caught_up(full);
    client.get(&known).await.expect("it is back");
}
