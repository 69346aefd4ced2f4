//! The configuration of a filter: its role, its region, and the operator's file.

use std::{fmt, rc::Rc};

use serde_json::{Value, json};

use crate::{
    attempt::ProviderClusters,
    config::{
        Config, GATEWAY, Invalid, Problem,
        mistakes::Mistakes,
        read::ValueReader,
        table::{
            ValueType::{Object, Text},
            object_table, optional, required, word,
        },
    },
    gateway::{Gateway, held_bodies::HeldBodies},
    json,
    quota::SharedStore,
    region::Region,
};

object_table! {
    /// Configuration of a filter, as `attache render` writes it.
    static ROLE = "role" {
        /// Role of the filter.
        "role": word(|| vec!["gateway", "provider"]), required("`gateway` or `provider`");
        /// Region of a gateway.
        "region": word(|| Region::ALL.map(Region::name).to_vec()), optional("a provider");
        /// Version of the rendered configuration.
        "version": Text, required("what tells one file from another");
        /// Document of `gateway.yaml`.
        "file": Object(&GATEWAY), required("what stands in gateway.yaml");
    }
}

/// One of the two roles of the module.
#[derive(Clone, Debug)]
pub enum Role {
    /// Filter of a listener.
    Gateway(Rc<Gateway>),
    /// Filter of the clusters of all providers.
    Provider(Rc<ProviderClusters>),
}

/// The line that is logged for a configuration.
impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gateway(gateway) => {
                let (region, config) = (gateway.region.name(), &gateway.config);
                let (models, version) = (config.models.len(), &config.version);
                write!(f, "gateway {region}: {models} models configured, version {version}")
            }
            Self::Provider(clusters) => write!(f, "providers: version {}", clusters.version),
        }
    }
}

impl Role {
    /// Returns the configuration for a gateway.
    pub fn gateway(region: Region, version: &str, file: &Value) -> Value {
        json!({"role": "gateway", "region": region.name(), "version": version, "file": file})
    }

    /// Returns the configuration for providers.
    pub fn provider(version: &str, file: &Value) -> Value {
        json!({"role": "provider", "version": version, "file": file})
    }

    /// Reads the configuration of a filter. `store` keeps the counts for limits, and `held` the bodies
    /// of requests under any configuration.
    pub fn parse(
        bytes: &[u8],
        store: Rc<dyn SharedStore>,
        held: HeldBodies,
    ) -> Result<Self, Vec<Invalid>> {
        let document: Value = json::read(bytes).map_err(|error| {
            let wrong = Problem::Wrong {
                found: error.to_string(),
                allowed: "what `attache render` writes".into(),
            };
            vec![Invalid { path: "configuration".into(), problem: wrong }]
        })?;
        let mistakes = Mistakes::default();
        let role = Self::read(&ValueReader::root(&document, &ROLE, &mistakes), store, held);
        let found = mistakes.into_inner();
        match role? {
            Some(role) if found.is_empty() => Ok(role),
            _ => Err(found),
        }
    }

    /// None comes with a mistake.
    fn read(
        node: &ValueReader<'_>,
        store: Rc<dyn SharedStore>,
        held: HeldBodies,
    ) -> Result<Option<Self>, Vec<Invalid>> {
        let top = node.object();
        let role = top.word("role", &[("gateway", false), ("provider", true)]);
        let regions = Region::ALL.map(|region| (region.name(), region));
        let region = top.word("region", &regions);
        let version = top.string("version");
        let file = top.get("file");
        top.finish();
        let (Some(is_provider), Some(file)) = (role, file) else { return Ok(None) };
        let config = Rc::new(Config { version, ..Config::parse(file.value())? });
        Ok(match region {
            None if is_provider => {
                Some(Self::Provider(Rc::new(ProviderClusters::new(&config, &store))))
            }
            Some(region) if !is_provider => Some(Self::Gateway(Rc::new(Gateway {
                held,
                ..Gateway::new(config, region, store)
            }))),
            _ => None,
        })
    }
}
