//! Signature Version 4 (AWS, "Create a signed AWS API request"), for requests without a query.

use std::time::{SystemTime, UNIX_EPOCH};

use crypto::services::{Hash, MacAlgorithm, mac::mac};
use data_encoding::HEXLOWER;
use zeroize::Zeroizing;

use crate::SecretText;

/// An access key, and the session it belongs to.
#[derive(Clone)]
pub struct Keys {
    pub access_key_id: String,
    pub secret_access_key: SecretText,
    pub session_token: Option<SecretText>,
}

/// What a signature is good for.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    pub region: &'a str,
    pub service: &'a str,
}

/// Signs one request.
pub struct Signer<'a> {
    pub keys: &'a Keys,
    pub scope: Scope<'a>,
    pub now: SystemTime,
}

/// A header to be added.
type Header = (&'static str, Zeroizing<String>);

impl Signer<'_> {
    /// The headers that sign this request; `headers` are in the order of their names, lower case.
    pub fn sign(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<Header> {
        let time = timestamp(self.now);
        let mut signed: Vec<(&str, &str)> = headers.to_vec();
        signed.push(("x-amz-date", &time));
        if let Some(token) = &self.keys.session_token {
            signed.push(("x-amz-security-token", token.expose()));
        }
        signed.sort_unstable();
        let names: Vec<&str> = signed.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let mut canonical = Zeroizing::new(String::with_capacity(4_096));
        canonical.push_str(&format!("{method}\n{path}\n\n"));
        for (name, value) in &signed {
            canonical.push_str(name);
            canonical.push(':');
            canonical.push_str(value.trim());
            canonical.push('\n');
        }
        canonical.push_str(&format!("\n{names}\n{}", hex_digest(body)));

        let date = &time[..8];
        let Scope { region, service } = self.scope;
        let scope = format!("{date}/{region}/{service}/aws4_request");
        let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex_digest(canonical.as_bytes()));
        let signature = HEXLOWER.encode(&hmac(&self.key(date), to_sign.as_bytes()));
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
            self.keys.access_key_id
        );
        let mut headers = vec![
            ("authorization", Zeroizing::new(authorization)),
            ("x-amz-date", Zeroizing::new(time.clone())),
        ];
        if let Some(token) = &self.keys.session_token {
            headers.push(("x-amz-security-token", Zeroizing::new(token.expose().to_owned())));
        }
        headers
    }

    /// The key of a day, region and service.
    fn key(&self, date: &str) -> Zeroizing<Vec<u8>> {
        let mut key = Zeroizing::new(Vec::with_capacity(4 + self.keys.secret_access_key.expose().len()));
        key.extend_from_slice(b"AWS4");
        key.extend_from_slice(self.keys.secret_access_key.expose().as_bytes());
        let parts = [date, self.scope.region, self.scope.service, "aws4_request"];
        parts.into_iter().fold(key, |key, part| hmac(&key, part.as_bytes()))
    }
}

fn hmac(key: &[u8], data: &[u8]) -> Zeroizing<Vec<u8>> {
    mac(MacAlgorithm::Hmac(Hash::Sha256), key, &[data]).expect("the key begins with AWS4, so it is not empty")
}

fn hex_digest(data: &[u8]) -> String {
    HEXLOWER.encode(&Hash::Sha256.digest(&[data]))
}

/// `YYYYMMDDTHHMMSSZ`. The calendar is Howard Hinnant's `civil_from_days`.
fn timestamp(now: SystemTime) -> String {
    let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3_600, rest % 3_600 / 60, rest % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn times_are_of_the_calendar() {
        for (seconds, expected) in [
            (0, "19700101T000000Z"),
            (951_782_399, "20000228T235959Z"),
            (951_782_400, "20000229T000000Z"),
            (1_440_938_160, "20150830T123600Z"),
            (4_102_444_799, "20991231T235959Z"),
        ] {
            assert_eq!(timestamp(at(seconds)), expected);
        }
    }

    /// `post-vanilla` of AWS's Signature Version 4 test suite.
    #[test]
    fn signs_as_published() {
        let keys = Keys {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: SecretText::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned()),
            session_token: None,
        };
        let scope = Scope { region: "us-east-1", service: "service" };
        let signer = Signer { keys: &keys, scope, now: at(1_440_938_160) };
        let headers = signer.sign("POST", "/", &[("host", "example.amazonaws.com")], b"");
        assert_eq!(
            *headers[0].1,
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, \
             Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"
        );
        assert_eq!(*headers[1].1, "20150830T123600Z");
    }
}
