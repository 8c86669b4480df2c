//! XML and JSON: golden messages, every way a value may be written, and what nobody may send (T27).

mod messages;

use kmip::text::{Encoding, from_ttlv, to_ttlv};
use kmip::ttlv::{DecodeErrorKind, Limits};
use kmip::{RequestMessage, ResponseMessage, ResultReason, Tag, Version};
use messages::*;

const CREATE_XML: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!-- Create an AES-256 key -->
<RequestMessage>
  <RequestHeader>
    <ProtocolVersion>
      <ProtocolVersionMajor type="Integer" value="1"/>
      <ProtocolVersionMinor type="Integer" value="0"/>
    </ProtocolVersion>
    <BatchCount type="Integer" value="1"/>
  </RequestHeader>
  <BatchItem>
    <Operation type="Enumeration" value="Create"/>
    <RequestPayload>
      <ObjectType type="Enumeration" value="SymmetricKey"/>
      <TemplateAttribute>
        <Attribute>
          <AttributeName type="TextString" value="Cryptographic Algorithm"/>
          <AttributeValue type="Enumeration" value="AES"/>
        </Attribute>
        <Attribute>
          <AttributeName type="TextString" value="Cryptographic Length"/>
          <AttributeValue type="Integer" value="256"/>
        </Attribute>
        <Attribute>
          <AttributeName type="TextString" value="Cryptographic Usage Mask"/>
          <AttributeValue type="Integer" value="Encrypt Decrypt"/>
        </Attribute>
      </TemplateAttribute>
    </RequestPayload>
  </BatchItem>
</RequestMessage>
"#;

const CREATE_JSON: &str = r#"{"tag":"RequestMessage","value":[
  {"tag":"RequestHeader","value":[
    {"tag":"ProtocolVersion","value":[
      {"tag":"ProtocolVersionMajor","type":"Integer","value":1},
      {"tag":"ProtocolVersionMinor","type":"Integer","value":"0x00000000"}]},
    {"value":1,"type":"Integer","tag":"BatchCount"}]},
  {"tag":"0x42000F","type":"Structure","value":[
    {"tag":"Operation","type":"Enumeration","value":"0x00000001"},
    {"tag":"RequestPayload","value":[
      {"tag":"ObjectType","type":"Enumeration","value":"SymmetricKey"},
      {"tag":"TemplateAttribute","value":[
        {"tag":"Attribute","value":[
          {"tag":"AttributeName","type":"TextString","value":"Cryptographic Algorithm"},
          {"tag":"AttributeValue","type":"Enumeration","value":"AES"}]},
        {"tag":"Attribute","value":[
          {"tag":"AttributeName","type":"TextString","value":"Cryptographic Length"},
          {"tag":"AttributeValue","type":"Integer","value":256}]},
        {"tag":"Attribute","value":[
          {"tag":"AttributeName","type":"TextString","value":"Cryptographic Usage Mask"},
          {"tag":"AttributeValue","type":"Integer","value":"Encrypt|0x8"}]}]}]}]}]}"#;

#[test]
fn both_texts_are_the_golden_request() {
    for (encoding, text) in [(Encoding::Xml, CREATE_XML), (Encoding::Json, CREATE_JSON)] {
        let ttlv = to_ttlv(encoding, text.as_bytes(), &Limits::DEFAULT).expect("a message");
        assert_eq!(*ttlv, CREATE_REQUEST_1_0, "{encoding:?}");
        RequestMessage::decode(&ttlv, &Limits::DEFAULT).expect("a request");
    }
}

#[test]
fn a_response_is_written_in_the_words_of_the_profiles() {
    let xml = from_ttlv(Encoding::Xml, CREATE_RESPONSE_1_0).expect("our own answer");
    let xml = std::str::from_utf8(&xml).expect("UTF-8");
    assert_eq!(
        xml,
        "<ResponseMessage><ResponseHeader><ProtocolVersion><ProtocolVersionMajor type=\"Integer\" value=\"1\"/>\
         <ProtocolVersionMinor type=\"Integer\" value=\"0\"/></ProtocolVersion>\
         <TimeStamp type=\"DateTime\" value=\"2024-03-12T18:40:50+00:00\"/><BatchCount type=\"Integer\" value=\"1\"/>\
         </ResponseHeader><BatchItem><Operation type=\"Enumeration\" value=\"Create\"/>\
         <ResultStatus type=\"Enumeration\" value=\"Success\"/><ResponsePayload>\
         <ObjectType type=\"Enumeration\" value=\"SymmetricKey\"/>\
         <UniqueIdentifier type=\"TextString\" value=\"fc8833de-70d2-4ece-b063-fede3a3c59fe\"/>\
         </ResponsePayload></BatchItem></ResponseMessage>"
    );
    let json = from_ttlv(Encoding::Json, CREATE_RESPONSE_1_0).expect("our own answer");
    let json: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
    assert_eq!(json["tag"], "ResponseMessage");
    assert_eq!(json["value"][1]["value"][2]["value"][0]["value"], "SymmetricKey");
    assert_eq!(json["value"][0]["value"][1]["value"], "2024-03-12T18:40:50+00:00");
}

/// Wraps items into something a sink takes, and gives their TTLV.
#[track_caller]
fn items(xml: &str, json: &str) -> Vec<u8> {
    let xml = format!("<RequestPayload>{xml}</RequestPayload>");
    let json = format!("{{\"tag\":\"RequestPayload\",\"value\":[{json}]}}");
    let one = to_ttlv(Encoding::Xml, xml.as_bytes(), &Limits::DEFAULT).expect("XML");
    let other = to_ttlv(Encoding::Json, json.as_bytes(), &Limits::DEFAULT).expect("JSON");
    assert_eq!(one, other, "{xml} and {json} differ");
    one[8..].to_vec()
}

#[test]
fn every_type_is_read_alike_from_both() {
    let check = |xml: &str, json: &str, expected: &[u8]| assert_eq!(items(xml, json), expected, "{xml}");
    let tagged = |tag: Tag, kind: u8, value: &[u8]| {
        let mut bytes = tag.0.to_be_bytes()[1..].to_vec();
        bytes.push(kind);
        bytes.extend(u32::try_from(value.len()).expect("short").to_be_bytes());
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes
    };
    check(
        r#"<Offset type="Interval" value="10"/>"#,
        r#"{"tag":"Offset","type":"Interval","value":10}"#,
        &tagged(Tag::OFFSET, 10, &[0, 0, 0, 10]),
    );
    check(
        r#"<UsageLimitsTotal type="LongInteger" value="-2"/>"#,
        r#"{"tag":"UsageLimitsTotal","type":"LongInteger","value":"0xfffffffffffffffe"}"#,
        &tagged(Tag::USAGE_LIMITS_TOTAL, 3, &(-2_i64).to_be_bytes()),
    );
    check(
        r#"<Modulus type="BigInteger" value="00000000ff000001"/>"#,
        r#"{"tag":"Modulus","type":"BigInteger","value":"0x00000000ff000001"}"#,
        &tagged(Tag::MODULUS, 4, &0xff00_0001_u64.to_be_bytes()),
    );
    check(
        r#"<Fresh type="Boolean" value="true"/>"#,
        r#"{"tag":"Fresh","type":"Boolean","value":true}"#,
        &tagged(Tag::FRESH, 6, &1_u64.to_be_bytes()),
    );
    check(
        r#"<NameValue type="TextString" value="a&lt;&#10;&quot;é"/>"#,
        r#"{"tag":"NameValue","type":"TextString","value":"a<\n\"\u00e9"}"#,
        &tagged(Tag::NAME_VALUE, 7, "a<\n\"é".as_bytes()),
    );
    check(
        "<Data type=\"ByteString\" value=\"00 fF\n10\"/>",
        r#"{"tag":"Data","type":"ByteString","value":"00FF10"}"#,
        &tagged(Tag::DATA, 8, &[0, 255, 16]),
    );
    check(
        r#"<ActivationDate type="DateTime" value="2001-01-01T10:00:00+10:00"/>"#,
        r#"{"tag":"ActivationDate","type":"DateTime","value":"0x000000003a4fc880"}"#,
        &tagged(Tag::ACTIVATION_DATE, 9, &978_307_200_i64.to_be_bytes()),
    );
    check(
        r#"<TimeStamp type="DateTimeExtended" value="1970-01-01T00:00:01.5Z"/>"#,
        r#"{"tag":"TimeStamp","type":"DateTimeExtended","value":1500000}"#,
        &tagged(Tag::TIME_STAMP, 11, &1_500_000_i64.to_be_bytes()),
    );
    check(
        r#"<TTLV tag="0x540001" name="Ours" type="Enumeration" value="7"/>"#,
        r#"{"tag":"0x540001","name":"Ours","type":"Enumeration","value":"0x00000007"}"#,
        &tagged(Tag(0x54_0001), 5, &[0, 0, 0, 7]),
    );
    check(
        r#"<AttributeReference type="Enumeration" value="CryptographicLength"></AttributeReference>"#,
        r#"{"tag":"AttributeReference","type":"Enumeration","value":"Cryptographic Length"}"#,
        &tagged(Tag::ATTRIBUTE_REFERENCE, 5, &[0, 0x42, 0, 0x2a]),
    );
    check("<Attributes/>", r#"{"tag":"Attributes"}"#, &tagged(Tag::ATTRIBUTES, 1, &[]));
}

#[track_caller]
fn refused(encoding: Encoding, text: &str, kind: DecodeErrorKind) {
    let rejection = to_ttlv(encoding, text.as_bytes(), &Limits::DEFAULT).expect_err("refused");
    assert_eq!(rejection.error.kind, kind, "{text:.200}");
    assert_eq!(rejection.error.reason(), ResultReason::InvalidMessage);
    let mut answer = Vec::new();
    rejection.respond(0, &mut answer);
    ResponseMessage::decode(&answer, &Limits::DEFAULT).expect("an answer");
    from_ttlv(encoding, &answer).expect("an answer in its encoding");
}

#[test]
fn values_that_do_not_fit_their_type_are_refused() {
    for (tag, kind, values) in [
        (Tag::BATCH_COUNT, "Integer", &["", "x", "1.0", "2147483648", "0x1ffffffff", "Encrypt"][..]),
        (Tag::CRYPTOGRAPHIC_USAGE_MASK, "Integer", &["Encrypt Fly", "Encrypt 0xg"]),
        (Tag::USAGE_LIMITS_TOTAL, "LongInteger", &["9223372036854775808", "1e3", "0x10000000000000000"]),
        (Tag::MODULUS, "BigInteger", &["", "xyz", "0x"]),
        (Tag::OPERATION, "Enumeration", &["NoSuchOperation", "-1", "0x100000000", ""]),
        (Tag::FRESH, "Boolean", &["yes", "2", "0x2", ""]),
        (Tag::DATA, "ByteString", &["0", "0g", "0x00"]),
        (Tag::TIME_STAMP, "DateTime", &["yesterday", "2026-02-30T00:00:00Z"]),
        (Tag::OFFSET, "Interval", &["-1", "4294967296"]),
    ] {
        for value in values {
            let xml = format!("<RequestMessage><{tag} type=\"{kind}\" value=\"{value}\"/></RequestMessage>");
            refused(Encoding::Xml, &xml, DecodeErrorKind::BadText(tag));
            let json = format!(
                "{{\"tag\":\"RequestMessage\",\"value\":[{{\"tag\":\"{tag}\",\"type\":\"{kind}\",\"value\":\"{value}\"}}]}}"
            );
            refused(Encoding::Json, &json, DecodeErrorKind::BadText(tag));
        }
    }
}

#[test]
fn t27_external_entities_are_never_fetched() {
    for declaration in [
        r#"<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>"#,
        r#"<!DOCTYPE r SYSTEM "http://127.0.0.1/evil.dtd">"#,
        r#"<!DOCTYPE r [<!ENTITY % p SYSTEM "http://127.0.0.1/p"> %p;]>"#,
        "<!DOCTYPE r>",
    ] {
        let text = format!("{declaration}<RequestMessage>&x;</RequestMessage>");
        refused(Encoding::Xml, &text, DecodeErrorKind::EntitiesForbidden);
    }
    refused(Encoding::Xml, "<RequestMessage>&x;</RequestMessage>", DecodeErrorKind::EntitiesForbidden);
    let inside = r#"<RequestMessage><NameValue type="TextString" value="&x;"/></RequestMessage>"#;
    refused(Encoding::Xml, inside, DecodeErrorKind::EntitiesForbidden);
}

#[test]
fn t27_a_billion_laughs_stay_unlaughed() {
    let mut text = r#"<!DOCTYPE r [<!ENTITY l0 "lol">"#.to_owned();
    for level in 1..10 {
        let inner = format!("&l{};", level - 1).repeat(10);
        text += &format!("<!ENTITY l{level} \"{inner}\">");
    }
    text += r#"]><RequestMessage><NameValue type="TextString" value="&l9;"/></RequestMessage>"#;
    refused(Encoding::Xml, &text, DecodeErrorKind::EntitiesForbidden);
}

#[test]
fn t27_duplicate_keys_are_refused() {
    for text in [
        r#"{"tag":"RequestMessage","tag":"ResponseMessage","value":[]}"#,
        r#"{"tag":"RequestMessage","value":[],"value":[]}"#,
        r#"{"tag":"RequestMessage","value":[{"tag":"BatchCount","type":"Integer","type":"Integer","value":1}]}"#,
        "{\"tag\":\"RequestMessage\",\"\\u0074ag\":\"RequestMessage\",\"value\":[]}",
    ] {
        refused(Encoding::Json, text, DecodeErrorKind::RepeatedKey);
    }
    let text = r#"<RequestMessage><BatchCount type="Integer" value="1" value="2"/></RequestMessage>"#;
    refused(Encoding::Xml, text, DecodeErrorKind::RepeatedKey);
}

#[test]
fn t27_numbers_that_are_none_are_refused() {
    for number in ["1e400", "-1e400", "1.0", "1e2", "18446744073709551616", "NaN", "01", "--1"] {
        let text = format!(
            r#"{{"tag":"RequestMessage","value":[{{"tag":"BatchCount","type":"Integer","value":{number}}}]}}"#
        );
        refused(Encoding::Json, &text, DecodeErrorKind::Syntax);
    }
    let text =
        r#"{"tag":"RequestMessage","value":[{"tag":"BatchCount","type":"Integer","value":2147483648}]}"#;
    refused(Encoding::Json, text, DecodeErrorKind::BadText(Tag::BATCH_COUNT));
}

#[test]
fn t27_depth_is_bounded() {
    let xml = |depth: usize| "<Attribute>".repeat(depth) + &"</Attribute>".repeat(depth);
    let json = |depth: usize| r#"{"tag":"Attribute","value":["#.repeat(depth) + &"]}".repeat(depth);
    let deepest = Limits::DEFAULT.depth;
    for (encoding, text) in [(Encoding::Xml, xml(deepest)), (Encoding::Json, json(deepest))] {
        to_ttlv(encoding, text.as_bytes(), &Limits::DEFAULT).expect("as deep as allowed");
    }
    for depth in [deepest + 1, 100_000] {
        refused(Encoding::Xml, &xml(depth), DecodeErrorKind::TooDeep);
        refused(Encoding::Json, &json(depth), DecodeErrorKind::TooDeep);
    }
    refused(Encoding::Json, &"[".repeat(100_000), DecodeErrorKind::Syntax);
    refused(Encoding::Json, &r#"{"tag":"#.repeat(100_000), DecodeErrorKind::Syntax);
}

#[test]
fn t27_items_and_bytes_are_bounded() {
    let many = Limits::DEFAULT.items + 1;
    let xml = format!("<RequestMessage>{}</RequestMessage>", "<Attribute/>".repeat(many));
    refused(Encoding::Xml, &xml, DecodeErrorKind::TooManyItems);
    let json =
        format!(r#"{{"tag":"RequestMessage","value":[{}]}}"#, vec![r#"{"tag":"Attribute"}"#; many].join(","));
    refused(Encoding::Json, &json, DecodeErrorKind::TooManyItems);
    let data = "00".repeat(Limits::DEFAULT.frame_bytes);
    let xml = format!(r#"<RequestMessage><Data type="ByteString" value="{data}"/></RequestMessage>"#);
    refused(Encoding::Xml, &xml, DecodeErrorKind::FrameTooLong);
}

#[test]
fn what_is_no_message_is_refused() {
    use DecodeErrorKind as Kind;
    for (text, kind) in [
        ("", Kind::EmptyFrame),
        ("  \n", Kind::EmptyFrame),
        ("<RequestMessage>", Kind::Truncated),
        ("<RequestMessage></ResponseMessage>", Kind::Syntax),
        ("<RequestMessage/><RequestMessage/>", Kind::TrailingBytes),
        ("<RequestMessage>text</RequestMessage>", Kind::Syntax),
        ("<RequestMessage><![CDATA[x]]></RequestMessage>", Kind::Syntax),
        ("<RequestMessage><?php echo 1 ?></RequestMessage>", Kind::Syntax),
        ("<RequestMessage><NoSuchTag/></RequestMessage>", Kind::UnknownTag),
        (r#"<RequestMessage><TTLV tag="42000F"/></RequestMessage>"#, Kind::UnknownTag),
        (r#"<RequestMessage colour="blue"/>"#, Kind::Syntax),
        (r#"<RequestMessage value="1"/>"#, Kind::BadText(Tag::REQUEST_MESSAGE)),
        (r#"<BatchCount type="Integer" value="1"/>"#, Kind::NotTheMessage),
        (r#"<?xml version="1.0" encoding="UTF-16"?><RequestMessage/>"#, Kind::Syntax),
    ] {
        refused(Encoding::Xml, text, kind);
    }
    for (text, kind) in [
        ("", Kind::Syntax),
        ("null", Kind::Syntax),
        ("{}", Kind::UnknownTag),
        (r#"{"tag":"RequestMessage"} {}"#, Kind::Syntax),
        (r#"{"tag":"RequestMessage","value":[}"#, Kind::Syntax),
        (r#"{"tag":"RequestMessage","colour":"blue"}"#, Kind::Syntax),
        (r#"{"tag":"NoSuchTag","value":[]}"#, Kind::UnknownTag),
        (r#"{"tag":"RequestMessage","value":null}"#, Kind::Syntax),
        (r#"{"tag":"RequestMessage","value":1}"#, Kind::NotTheMessage),
        (r#"{"tag":"BatchCount","type":"Integer","value":1}"#, Kind::NotTheMessage),
        (
            r#"{"tag":"BatchCount","type":"Structure","value":[{"tag":"Name","type":"Struct"}]}"#,
            Kind::BadText(Tag::NAME),
        ),
    ] {
        refused(Encoding::Json, text, kind);
    }
    let rejection = to_ttlv(Encoding::Xml, b"<RequestMessage>\xff</RequestMessage>", &Limits::DEFAULT);
    assert_eq!(rejection.expect_err("no UTF-8").error.kind, Kind::Utf8);
}

#[test]
fn a_rejection_is_answered_in_the_version_the_text_stated() {
    let broken = CREATE_XML.replace("\"Create\"", "\"Crate\"");
    let rejection = to_ttlv(Encoding::Xml, broken.as_bytes(), &Limits::DEFAULT).expect_err("no operation");
    assert_eq!(rejection.version, Version::V1_0);
    let newer = broken.replace("Major type=\"Integer\" value=\"1\"", "Major type=\"Integer\" value=\"2\"");
    let rejection = to_ttlv(Encoding::Xml, newer.as_bytes(), &Limits::DEFAULT).expect_err("no operation");
    assert_eq!(rejection.version, Version::V2_0);
}

#[test]
fn media_types_name_encodings() {
    for (header, encoding) in [
        ("application/octet-stream", Some(Encoding::Ttlv)),
        ("text/xml", Some(Encoding::Xml)),
        ("Text/XML; charset=\"UTF-8\"", Some(Encoding::Xml)),
        ("application/xml;charset=utf-8", Some(Encoding::Xml)),
        ("application/json", Some(Encoding::Json)),
        ("application/json; charset=latin1", None),
        ("text/plain", None),
        ("", None),
    ] {
        assert_eq!(Encoding::of_media_type(header), encoding, "{header}");
    }
    for encoding in Encoding::ALL {
        assert_eq!(Encoding::of_media_type(encoding.media_type()), Some(encoding));
    }
}
