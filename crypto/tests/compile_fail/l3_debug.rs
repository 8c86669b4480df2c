fn print(l3: &crypto::L3, hot: &crypto::HotL3, payload: &crypto::L1Payload) {
    let _ = format!("{l3:?}");
    let _ = format!("{hot:?}");
    let _ = format!("{payload:?}");
}

fn main() {
    let _ = print;
}
