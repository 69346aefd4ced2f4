//! Regions of data residency.

/// A region of the gateway, or of a provider's endpoint. AssemblyAI, *Cloud endpoints and data
/// residency*.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Region {
    /// The United States.
    Us,
    /// The European Union.
    Eu,
    /// Anywhere: the value of `model_region: "global"`. No gateway runs there.
    Global,
}

impl Region {
    /// All regions.
    pub const ALL: [Self; 3] = [Self::Us, Self::Eu, Self::Global];

    /// Returns the word in the configuration, in headers and in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Us => "us",
            Self::Eu => "eu",
            Self::Global => "global",
        }
    }

    /// Returns the region with a word.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|region| region.name() == name)
    }

    /// Returns true if an endpoint in region `endpoint` may serve a request to a gateway in this
    /// region. Only the US gateway may leave its region, and only for global endpoints.
    pub fn may_reach(self, endpoint: Self) -> bool {
        self == endpoint || (self == Self::Us && endpoint == Self::Global)
    }
}

/// Values by region, each optional.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PerRegion<T>([Option<T>; 3]);

impl<T> Default for PerRegion<T> {
    fn default() -> Self {
        Self([None, None, None])
    }
}

impl<T> PerRegion<T> {
    /// Returns the value of a region.
    pub fn get(&self, region: Region) -> Option<&T> {
        let [us, eu, global] = &self.0;
        match region {
            Region::Us => us.as_ref(),
            Region::Eu => eu.as_ref(),
            Region::Global => global.as_ref(),
        }
    }

    /// Sets the value of a region.
    pub fn set(&mut self, region: Region, value: T) {
        let [us, eu, global] = &mut self.0;
        match region {
            Region::Us => *us = Some(value),
            Region::Eu => *eu = Some(value),
            Region::Global => *global = Some(value),
        }
    }

    /// Returns the regions that have a value, with their values.
    pub fn iter(&self) -> impl Iterator<Item = (Region, &T)> {
        Region::ALL.into_iter().filter_map(|region| Some((region, self.get(region)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::Region::{self, Eu, Global, Us};

    #[test]
    fn nothing_leaves_the_eu() {
        let allowed = [(Us, Us), (Us, Global), (Eu, Eu), (Global, Global)];
        for from in Region::ALL {
            for to in Region::ALL {
                assert_eq!(from.may_reach(to), allowed.contains(&(from, to)), "{from:?} to {to:?}");
            }
        }
    }
}
