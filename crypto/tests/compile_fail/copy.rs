fn main() {
    let secret = crypto::Secret::generate().unwrap();
    let moved = secret;
    secret.with(|_| ());
    drop(moved);
}
