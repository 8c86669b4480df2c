//! `docs/kmip-operations.md`, made from the table of operations and from what each handler says of itself.
//! `UPDATE_DOCS=1 make test` writes it; otherwise a page that is out of date fails.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use kmip::Operation;

use super::SERVED;

const HEAD: &str = "\
# KMIP operations

Made from the code by its tests; `UPDATE_DOCS=1 make test` writes it again. *Since* is the first protocol version that
has the operation, and in which Query lists it; a request that names it in an older one is served all the same, as clients do.

| operation | number | since | what it does here |
|---|---|---|---|
";

#[test]
fn the_page_of_operations_is_up_to_date() {
    let page = Path::new("../docs/kmip-operations.md");
    let wanted = written();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(page, &wanted).expect("the page can be written");
    }
    let there = fs::read_to_string(page).unwrap_or_default();
    assert!(there == wanted, "{} is out of date: UPDATE_DOCS=1 make test writes it", page.display());
}

fn written() -> String {
    let mut page = HEAD.to_owned();
    let mut served = SERVED.to_vec();
    served.sort_unstable();
    for operation in served {
        let (name, number) = (operation.name(), operation.value());
        let (since, what) = (operation.first_version(), sentence(operation));
        writeln!(page, "| {name} | {number:#04x} | {since} | {what} |").expect("a string takes all");
    }
    page
}

/// The first sentence of the handler's own description, without the operation's name.
fn sentence(operation: Operation) -> String {
    let source = fs::read_to_string(handler(operation)).expect("every operation has its file");
    let lines = source.lines().map_while(|line| line.strip_prefix("//! "));
    let text = lines.collect::<Vec<_>>().join(" ");
    let end = text.match_indices(". ").map(|(at, _)| at).find(|at| !text[..*at].ends_with("section"));
    let first = text[..end.unwrap_or(text.len())].trim_end_matches('.');
    let told = first.split_once(": ").map_or(first, |(_, told)| told);
    let mut letters = told.chars();
    letters.next().map_or_else(String::new, |letter| letter.to_uppercase().chain(letters).collect())
}

fn handler(operation: Operation) -> PathBuf {
    let file = match operation {
        Operation::Mac => "mac",
        Operation::MacVerify => "mac_verify",
        Operation::RngRetrieve => "rng_retrieve",
        Operation::RngSeed => "rng_seed",
        Operation::Pkcs11 => "pkcs11",
        Operation::Logout | Operation::DelegatedLogin => "login",
        Operation::SetEndpointRole | Operation::ReProvision | Operation::Notify | Operation::Put => "refused",
        _ => &snake(operation.name()),
    };
    Path::new("src/ops").join(file).with_extension("rs")
}

fn snake(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}
