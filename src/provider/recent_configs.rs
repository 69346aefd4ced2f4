//! The configurations of the last reloads.

use std::rc::Rc;

use crate::attempt::ProviderClusters;

/// Configurations that were in force lately. Exchanges that were planned by one of them may still
/// have attempts to make after the next one has come.
#[derive(Debug, Default)]
pub struct RecentConfigs(Vec<Rc<ProviderClusters>>);

impl RecentConfigs {
    /// Number of configurations that are kept: more than an operator writes while an exchange lasts.
    const KEPT: usize = 4;

    /// Adds the newest configuration.
    pub fn add(&mut self, clusters: &Rc<ProviderClusters>) {
        if self.0.len() == Self::KEPT {
            self.0.remove(0);
        }
        self.0.push(Rc::clone(clusters));
    }

    /// Returns the configuration of a version. Returns `current` if that version is too old, or has
    /// not come yet.
    pub fn get(&self, version: &str, current: &Rc<ProviderClusters>) -> Rc<ProviderClusters> {
        if current.version == version {
            return Rc::clone(current);
        }
        let found = self.0.iter().rev().find(|clusters| clusters.version == version);
        Rc::clone(found.unwrap_or(current))
    }
}
