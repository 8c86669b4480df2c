fn main() {
    let secret = crypto::Secret::generate().unwrap();
    let _ = serde_json::to_string(&secret);
}
