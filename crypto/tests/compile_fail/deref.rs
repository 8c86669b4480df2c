fn main() {
    let secret = crypto::Secret::generate().unwrap();
    let _ = secret.len();
}
