//! Requests written as the specification writes its cases, in XML, and what the answers say.

use std::fmt::Write as _;

use kmip::text::{Encoding, from_ttlv, to_ttlv};
use kmip::ttlv::Limits;
use kmip::{Operation, ResponseMessage, ResultReason, ResultStatus, Version};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::support::{Cluster, text};
use crate::wire::{self, Credentials};

/// A service's connection to one node.
pub struct Talk {
    stream: TlsStream<TcpStream>,
    version: Version,
    header: String,
}

/// What became of one item.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    pub status: ResultStatus,
    pub reason: Option<ResultReason>,
    pub message: Option<String>,
    /// The item in XML.
    pub xml: String,
}

impl Told {
    /// The value of the first element of this name.
    pub fn value(&self, name: &str) -> Option<String> {
        let element = self.xml.split('<').find(|element| element.starts_with(&format!("{name} ")))?;
        Some(element.split("value=\"").nth(1)?.split('"').next()?.to_owned())
    }

    /// The same of an item that succeeded and has the element.
    pub fn must(&self, name: &str) -> String {
        assert_eq!(self.status, ResultStatus::Success, "{self:?}");
        self.value(name).unwrap_or_else(|| panic!("no {name} in {}", self.xml))
    }

    pub fn succeeded(&self) -> bool {
        self.status == ResultStatus::Success
    }
}

impl Talk {
    /// Connects to a node; what follows is asked in 1.4 and without credentials.
    pub async fn with(cluster: &Cluster, node: u16, tenant: &str, service: &str) -> Self {
        let credentials = Credentials::of(cluster, tenant, service);
        let stream = wire::connect_to(cluster, cluster.ports.kmip + node, Some(&credentials)).await;
        Self { stream: stream.expect("a connection"), version: Version::V1_4, header: String::new() }
    }

    /// Asks in this version from now on.
    pub fn speak(&mut self, version: Version) {
        self.version = version;
    }

    /// Says this in every header from now on.
    pub fn head(&mut self, header: &str) {
        header.clone_into(&mut self.header);
    }

    /// One item.
    pub async fn ask(&mut self, operation: Operation, payload: &str) -> Told {
        self.batch(&[(operation, payload)]).await.remove(0)
    }

    /// A batch; as many items as were answered.
    pub async fn batch(&mut self, items: &[(Operation, &str)]) -> Vec<Told> {
        let protocol = self.version.protocol();
        let mut xml = format!(
            r#"<RequestMessage><RequestHeader><ProtocolVersion>
               <ProtocolVersionMajor type="Integer" value="{}"/><ProtocolVersionMinor type="Integer" value="{}"/>
               </ProtocolVersion>{}<BatchCount type="Integer" value="{}"/></RequestHeader>"#,
            protocol.major,
            protocol.minor,
            self.header,
            items.len(),
        );
        for (index, (operation, payload)) in items.iter().enumerate() {
            let _ = write!(
                xml,
                r#"<BatchItem><Operation type="Enumeration" value="{}"/>
                   <UniqueBatchItemID type="ByteString" value="{index:02x}"/>
                   <RequestPayload>{payload}</RequestPayload></BatchItem>"#,
                operation.name(),
            );
        }
        xml.push_str("</RequestMessage>");
        let request = to_ttlv(Encoding::Xml, xml.as_bytes(), &Limits::DEFAULT);
        let request = request.unwrap_or_else(|rejection| panic!("{rejection}: {xml}"));
        let answer = wire::ask(&mut self.stream, &request).await.expect("the connection stays");
        told(&answer)
    }

    /// Makes an AES-256 key that may do this, Active if `active`.
    pub async fn created(&mut self, mask: &str, active: bool) -> String {
        let activation = active.then_some(attribute("Activation Date", "DateTime", "1970-01-02T00:00:00Z"));
        let key = template(&[
            &attribute("Cryptographic Algorithm", "Enumeration", "AES"),
            &attribute("Cryptographic Length", "Integer", "256"),
            &attribute("Cryptographic Usage Mask", "Integer", mask),
            activation.as_deref().unwrap_or_default(),
        ]);
        let create = format!(r#"<ObjectType type="Enumeration" value="SymmetricKey"/>{key}"#);
        self.ask(Operation::Create, &create).await.must("UniqueIdentifier")
    }

    /// Registers an object of this type, with these attributes.
    pub async fn registered(&mut self, kind: &str, attributes: &[&str], object: &str) -> String {
        let register =
            format!(r#"<ObjectType type="Enumeration" value="{kind}"/>{}{object}"#, template(attributes));
        self.ask(Operation::Register, &register).await.must("UniqueIdentifier")
    }
}

fn told(answer: &[u8]) -> Vec<Told> {
    let message = ResponseMessage::decode(answer, &Limits::DEFAULT).expect("an answer");
    let xml = text(&from_ttlv(Encoding::Xml, answer).expect("well formed"));
    let items = xml.split("<BatchItem>").skip(1).map(str::to_owned);
    let told = message.items.iter().zip(items).map(|(item, xml)| Told {
        status: item.status,
        reason: item.reason(),
        message: item.message.as_deref().map(str::to_owned),
        xml,
    });
    told.collect()
}

/// The object a request is about.
pub fn about(uid: &str) -> String {
    format!(r#"<UniqueIdentifier type="TextString" value="{uid}"/>"#)
}

/// An attribute of 1.x.
pub fn attribute(name: &str, kind: &str, value: &str) -> String {
    format!(
        r#"<Attribute><AttributeName type="TextString" value="{name}"/>
           <AttributeValue type="{kind}" value="{value}"/></Attribute>"#
    )
}

/// A template of 1.x.
pub fn template(attributes: &[&str]) -> String {
    format!("<TemplateAttribute>{}</TemplateAttribute>", attributes.concat())
}

/// An AES key in the clear.
pub fn aes(hex: &str) -> String {
    format!(
        r#"<SymmetricKey><KeyBlock><KeyFormatType type="Enumeration" value="Raw"/>
           <KeyValue><KeyMaterial type="ByteString" value="{hex}"/></KeyValue>
           <CryptographicAlgorithm type="Enumeration" value="AES"/>
           <CryptographicLength type="Integer" value="{}"/></KeyBlock></SymmetricKey>"#,
        hex.len() * 4,
    )
}
