//! What a filter is told at start: which role it plays, where, and the operator's file.

use std::rc::Rc;

use serde_json::{Value, json};

use crate::{
    config::{
        Config, Invalid, Problem,
        read::{Mistakes, Node},
    },
    exchange::Gateway,
    provider::Site,
    quota::Register,
    region::Region,
};

/// One of the two roles of the module.
#[derive(Clone, Debug)]
pub enum Role {
    /// In a listener.
    Gateway(Rc<Gateway>),
    /// In a provider's cluster.
    Provider(Rc<Site>),
}

impl Role {
    /// The filter's configuration for a gateway.
    pub fn gateway(region: Region, file: &Value) -> Value {
        json!({"role": "gateway", "region": region.name(), "file": file})
    }

    /// The filter's configuration for a provider in a region.
    pub fn provider(name: &str, region: Region, file: &Value) -> Value {
        json!({"role": "provider", "region": region.name(), "provider": name, "file": file})
    }

    /// Reads a filter's configuration. The role counts in `register`.
    pub fn parse(bytes: &[u8], register: Rc<dyn Register>) -> Result<Self, Vec<Invalid>> {
        let document: Value = serde_json::from_slice(bytes).map_err(|error| {
            let wrong = Problem::Wrong {
                found: error.to_string(),
                allowed: "what `attache render` writes".into(),
            };
            vec![Invalid { path: "configuration".into(), problem: wrong }]
        })?;
        let mistakes = Mistakes::default();
        let role = Self::read(&Node::root(&document, &mistakes), register);
        let found = mistakes.into_inner();
        match role? {
            Some(role) if found.is_empty() => Ok(role),
            _ => Err(found),
        }
    }

    /// None comes with a mistake.
    fn read(node: &Node<'_>, register: Rc<dyn Register>) -> Result<Option<Self>, Vec<Invalid>> {
        let mut top = node.object();
        let role = top.required("role", "`gateway` or `provider`");
        let role = role.and_then(|node| node.word(&[("gateway", false), ("provider", true)]));
        let region = top.required("region", "`us`, `eu` or `global`");
        let regions = Region::ALL.map(|region| (region.name(), region));
        let region = region.and_then(|node| node.word(&regions));
        let provider = top.optional("provider").map(|node| node.string());
        let file = top.required("file", "what stands in gateway.yaml");
        top.finish();
        let (Some(is_provider), Some(region), Some(file)) = (role, region, file) else {
            return Ok(None);
        };
        let config = Rc::new(Config::parse(file.value())?);
        Ok(Some(match provider.filter(|_| is_provider) {
            Some(provider) => Self::Provider(Rc::new(Site { config, provider, region, register })),
            None => Self::Gateway(Rc::new(Gateway { config, region, register })),
        }))
    }
}
