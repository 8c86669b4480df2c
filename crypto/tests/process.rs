//! What hardening leaves behind, as the kernel tells it. Alone in its process: it cannot be undone.
#![allow(clippy::unwrap_used)] // A scene that cannot be set up is a failed test.

use crypto::process::harden;

fn line_of(file: &str, name: &str) -> String {
    let text = std::fs::read_to_string(file).unwrap();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap();
    line.strip_prefix(name).unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_hardened_process_says_so() {
    let hardening = harden();
    assert_eq!(hardening.not_dumpable, Ok(()));
    assert_eq!(hardening.no_core, Ok(()));
    assert_eq!(hardening.no_new_privileges, Ok(()));
    assert_eq!(hardening.is_complete(), !hardening.is_root);
    assert!(hardening.to_string().starts_with("not dumpable: yes, no core: yes"));

    assert_eq!(line_of("/proc/self/limits", "Max core file size"), "0 0 bytes");
    assert_eq!(line_of("/proc/thread-self/status", "NoNewPrivs:"), "1");
    assert_eq!(line_of("/proc/self/status", "Umask:"), "0077");
}
