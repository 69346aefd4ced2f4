//! Where data may be: the type every attempt carries.

/// A region of the gateway, or of a provider's endpoint. AssemblyAI, *Cloud endpoints and data
/// residency*.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Region {
    /// The United States.
    Us,
    /// The European Union.
    Eu,
    /// Anywhere: what `model_region: "global"` asks for. No gateway stands there.
    Global,
}

impl Region {
    /// Every region.
    pub const ALL: [Self; 3] = [Self::Us, Self::Eu, Self::Global];

    /// The word in the configuration, in headers and in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Us => "us",
            Self::Eu => "eu",
            Self::Global => "global",
        }
    }

    /// The region with this word.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|region| region.name() == name)
    }

    /// Whether a request that came to a gateway here may be served there. Only the US gateway may
    /// leave its region, and only for endpoints that are called global.
    pub fn may_reach(self, endpoint: Self) -> bool {
        self == endpoint || (self == Self::Us && endpoint == Self::Global)
    }
}

/// Something that differs by region, where it exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PerRegion<T>([Option<T>; 3]);

impl<T> Default for PerRegion<T> {
    fn default() -> Self {
        Self([None, None, None])
    }
}

impl<T> PerRegion<T> {
    /// What there is in a region.
    pub fn get(&self, region: Region) -> Option<&T> {
        let [us, eu, global] = &self.0;
        match region {
            Region::Us => us.as_ref(),
            Region::Eu => eu.as_ref(),
            Region::Global => global.as_ref(),
        }
    }

    /// Puts something into a region.
    pub fn set(&mut self, region: Region, value: T) {
        let [us, eu, global] = &mut self.0;
        match region {
            Region::Us => *us = Some(value),
            Region::Eu => *eu = Some(value),
            Region::Global => *global = Some(value),
        }
    }

    /// The regions where there is something, with what there is.
    pub fn iter(&self) -> impl Iterator<Item = (Region, &T)> {
        Region::ALL.into_iter().filter_map(|region| Some((region, self.get(region)?)))
    }
}

#[cfg(test)]
mod tests {
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

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
