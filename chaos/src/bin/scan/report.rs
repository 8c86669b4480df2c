//! The table, within 80 columns, and the verdict.
#![allow(clippy::print_stdout)] // the answer of a command

use chaos::needles::Class;

use crate::places::Searched;

/// Windows of the key that is leaked and planted on purpose; all of them must be found.
const CONTROL_WINDOWS: usize = 4;

/// Prints everything; whether nothing was found, and the search would have found something.
pub fn print(places: &[Searched], keys: &[(Class, String)], proven: usize) -> bool {
    println!("\n  8-byte windows found (distinct); control = a key put there on purpose\n");
    print!("  {:<17} {:>10}", "place", "searched");
    for class in Class::ALL {
        print!(" {:>7}", short(class));
    }
    println!();
    places.iter().for_each(|place| row(place, keys));
    print!("  {:<17} {:>10}", "keys looked for", "");
    for class in Class::ALL {
        print!(" {:>7}", keys.iter().filter(|(of, _)| *of == class).count());
    }
    println!("\n");

    let found = places.iter().map(leaks(keys)).sum::<usize>();
    for place in places {
        place.samples.iter().for_each(|sample| println!("  {}: {sample}", place.name));
    }
    let blind: Vec<&Searched> =
        places.iter().filter(|place| has_control(place) && !saw_control(place, keys)).collect();
    for place in &blind {
        println!("  {}: the control was not found: not exercised", place.name);
    }
    if !places.iter().any(|place| place.name.starts_with("core")) {
        println!("  no gdb on this machine: cores were skipped, the memory they are made of was not");
    }
    let refused: u64 = places.iter().filter(|place| is_memory(place)).map(|place| place.refused).sum();
    println!("  secret memory that the kernel refused to read: {}", size(refused));
    println!("  {proven} data keys were derived here from the known L2 and seed, equal to those received");
    println!("  rows put in another's place do not open: cargo test -p raft-store --test storage\n");
    let passed = found == 0 && blind.is_empty() && proven > 0;
    println!("{}", if passed { "scan: nothing found, and it would have been" } else { "scan: FAILED" });
    passed
}

fn row(place: &Searched, keys: &[(Class, String)]) {
    print!("  {:<17} {:>10}", place.name, size(place.bytes));
    for class in Class::ALL {
        let count = place.count(class, keys);
        match class {
            Class::Control if !has_control(place) => print!(" {:>7}", "-"),
            Class::Control => print!(" {:>7}", format!("{count}/{CONTROL_WINDOWS}")),
            _ => print!(" {count:>7}"),
        }
    }
    println!();
}

fn leaks(keys: &[(Class, String)]) -> impl Fn(&Searched) -> usize {
    |place| {
        Class::ALL
            .iter()
            .filter(|class| **class != Class::Control)
            .map(|class| place.count(*class, keys))
            .sum()
    }
}

fn is_memory(place: &Searched) -> bool {
    place.name.starts_with("memory") || place.name.starts_with("core")
}

/// Each node leaks the control into its memory, and the scan plants it into a file.
fn has_control(place: &Searched) -> bool {
    is_memory(place) || place.name.starts_with("files")
}

fn saw_control(place: &Searched, keys: &[(Class, String)]) -> bool {
    place.count(Class::Control, keys) == CONTROL_WINDOWS
}

fn short(class: Class) -> &'static str {
    match class {
        Class::Material => "mat'l",
        other => other.name(),
    }
}

fn size(bytes: u64) -> String {
    const MIB: u64 = 1 << 20;
    match bytes {
        0 => "0".to_owned(),
        small if small < MIB => format!("{} KiB", small.div_ceil(1024)),
        large => format!("{} MiB", large / MIB),
    }
}
