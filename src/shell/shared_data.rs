//! Envoy's shared data: one table for the whole process, keyed by `vm_id`, which both roles share.
//! It outlives the VMs, and has no way to remove a key.

use log::error;
use proxy_wasm::{hostcalls, types::Status};

use crate::quota::{CasConflict, SharedStore};

/// A version no key carries. Hosts take 0 for "overwrite", and insert a missing key whatever the
/// version, so this one means "insert if absent" (proxy-wasm-cpp-host, `SharedData::set`).
const ABSENT: u32 = u32::MAX;

/// The table of this process.
#[derive(Clone, Copy, Debug)]
pub(super) struct SharedData;

impl SharedStore for SharedData {
    fn get(&self, key: &str) -> Option<(Vec<u8>, u32)> {
        let (value, version) = hostcalls::get_shared_data(key).ok()?;
        Some((value.unwrap_or_default(), version?))
    }

    fn set(&self, key: &str, value: &[u8], version: Option<u32>) -> Result<(), CasConflict> {
        match hostcalls::set_shared_data(key, Some(value), Some(version.unwrap_or(ABSENT))) {
            Ok(()) => Ok(()),
            Err(Status::CasMismatch) => Err(CasConflict),
            Err(status) => {
                error!("cannot set shared data: {status:?}");
                Ok(())
            }
        }
    }
}
