//! A record as one line of JSON, in printable ASCII only.
//!
//! Whatever a client put into an identifier, the line moves no cursor, rings no bell and reverses no
//! text when an operator looks at it: everything outside printable ASCII is a `\u` escape (RFC 8259 7).

use std::fmt::{Display, Write};

use data_encoding::HEXLOWER;

use crate::record::Record;

/// Writes the members of one object. Writing to a `String` cannot fail.
struct Object(String);

impl Object {
    fn key(&mut self, name: &str) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        let _ = write!(self.0, "\"{name}\":");
    }

    fn number(&mut self, name: &str, value: impl Display) {
        self.key(name);
        let _ = write!(self.0, "{value}");
    }

    fn text(&mut self, name: &str, value: &str) {
        self.key(name);
        self.0.push('"');
        value.chars().for_each(|c| self.char(c));
        self.0.push('"');
    }

    fn char(&mut self, c: char) {
        match c {
            '"' | '\\' => self.0.extend(['\\', c]),
            ' '..='~' => self.0.push(c),
            _ => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| {
                let _ = write!(self.0, "\\u{unit:04x}");
            }),
        }
    }

    fn optional(&mut self, name: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.text(name, &value.to_string());
        }
    }

    fn unless_empty(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.text(name, value);
        }
    }
}

impl Record {
    /// The record as a JSON object on one line, members in a fixed order, absent fields left out. Ids and
    /// hashes are lower-case hexadecimal. Sequences are numbers.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut object = Object(String::with_capacity(640));
        object.number("sequence", self.place.sequence);
        object.number("chain_sequence", self.place.chain_sequence);
        object.number("time_ms", self.time_ms);
        object.text("kind", self.kind.name());
        object.text("cluster", &self.place.cluster.to_string());
        object.number("node", self.place.node);
        object.number("boot", self.place.boot);
        object.optional("tenant", self.tenant);
        object.optional("service", self.service);
        object.optional("certificate_sha256", self.certificate.map(|hash| HEXLOWER.encode(&hash)));
        object.optional("peer", self.peer);
        object.number("operation_code", self.operation_code);
        object.text("operation", &self.operation);
        object.unless_empty("identifier", &self.identifier);
        self.l2_version.iter().for_each(|version| object.number("l2_version", version));
        object.text("outcome", self.outcome.name());
        object.unless_empty("reason", &self.reason);
        object.unless_empty("detail", &self.detail);
        object.number("latency_us", self.latency_us);
        object.text("request", &HEXLOWER.encode(&self.request));
        object.number("item", self.item);
        if self.cut {
            object.number("cut", true);
        }
        object.number("batch_first", self.place.batch_first);
        object.text("previous", &HEXLOWER.encode(&self.place.previous));
        object.0.push('}');
        object.0
    }
}
