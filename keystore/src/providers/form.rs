//! Bodies of the type `application/x-www-form-urlencoded`.

use zeroize::Zeroizing;

/// `a=b&c=d` with every reserved character escaped, in a buffer that never moves and is wiped.
pub fn form(fields: &[(&str, &str)]) -> Zeroizing<Vec<u8>> {
    let room = fields.iter().map(|(name, value)| name.len() + 3 * value.len() + 2).sum();
    let mut body = Zeroizing::new(Vec::with_capacity(room));
    for (name, value) in fields {
        if !body.is_empty() {
            body.push(b'&');
        }
        body.extend_from_slice(name.as_bytes());
        body.push(b'=');
        escape_into(value, &mut body);
    }
    body
}

/// Escapes all but unreserved characters (RFC 3986, 2.3).
fn escape_into(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(byte);
        } else {
            out.extend_from_slice(&[b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_characters_are_escaped() {
        assert_eq!(&**form(&[("a", "a-Z_.~ /+=ü"), ("b", "")]), b"a=a-Z_.~%20%2F%2B%3D%C3%BC&b=");
    }
}
