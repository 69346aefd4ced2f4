//! A filter that does nothing, unless the path of a request says `/CALL/COUNT`: then it makes one of the
//! calls below so many times, and nothing else.
//!
//! `python3 tests/bench.py --host-calls` measures with it what each call costs.

use proxy_wasm::{
    hostcalls,
    traits::{Context, HttpContext, RootContext},
    types::{Action, ContextType, MapType, MetricType, Status},
};

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| Box::<Root>::default());
}}

#[derive(Default)]
struct Root {
    /// `true` if the filter reads the path of each request.
    is_told: bool,
    counter: u32,
}

impl Context for Root {}

impl RootContext for Root {
    /// A configuration says that paths are read.
    fn on_configure(&mut self, size: usize) -> bool {
        self.is_told = size > 0;
        let counter = hostcalls::define_metric(MetricType::Counter, "bench");
        let data = hostcalls::set_shared_data("present", Some(VALUE.as_bytes()), None);
        self.counter = counter.unwrap_or_default();
        data.is_ok()
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Filter { is_told: self.is_told, counter: self.counter }))
    }
}

struct Filter {
    is_told: bool,
    counter: u32,
}

impl Context for Filter {}

impl HttpContext for Filter {
    fn on_http_request_headers(&mut self, _count: usize, _end: bool) -> Action {
        if self.is_told {
            let path = self.get_http_request_header(":path").unwrap_or_default();
            let mut words = path.trim_start_matches('/').split('/');
            let call = words.next().unwrap_or_default();
            let count: u32 = words.next().and_then(|count| count.parse().ok()).unwrap_or_default();
            for _ in 0..count {
                if self.call(call) != Ok(true) {
                    self.send_http_response(500, Vec::new(), Some(b"a host call failed"));
                    return Action::Pause;
                }
            }
        }
        Action::Continue
    }
}

const HEADERS: MapType = MapType::HttpRequestHeaders;

/// A value of ten bytes.
const VALUE: &str = "0123456789";

/// The headers of a request that Envoy still finds a route for.
const TEN_HEADERS: [(&str, &str); 10] = [
    (":authority", "bench"),
    (":method", "GET"),
    (":path", "/"),
    (":scheme", "http"),
    ("x-forwarded-proto", "http"),
    ("accept", "application/json"),
    ("content-type", "application/json"),
    ("user-agent", VALUE),
    ("x-request-id", VALUE),
    ("x-set", VALUE),
];

impl Filter {
    /// Makes a call. `false` if the host returns something else than the name says.
    fn call(&self, name: &str) -> Result<bool, Status> {
        Ok(match name {
            "current_time" => hostcalls::get_current_time().is_ok(),
            "header" => hostcalls::get_map_value_bytes(HEADERS, "content-type")?.is_some(),
            "header_absent" => hostcalls::get_map_value_bytes(HEADERS, "x-absent")?.is_none(),
            "header_map" => !hostcalls::get_map_bytes(HEADERS)?.is_empty(),
            "property" => hostcalls::get_property(vec!["request", "method"])?.is_some(),
            "property_absent" => hostcalls::get_property(vec!["absent"])?.is_none(),
            "shared_data" => hostcalls::get_shared_data("present")?.0.is_some(),
            "shared_data_absent" => hostcalls::get_shared_data("absent")?.0.is_none(),
            "set_header" => hostcalls::set_map_value(HEADERS, "x-set", Some(VALUE)).is_ok(),
            "set_header_map" => hostcalls::set_map(HEADERS, TEN_HEADERS.to_vec()).is_ok(),
            "set_property" => hostcalls::set_property(vec!["set"], Some(VALUE.as_bytes())).is_ok(),
            "set_shared_data" => {
                hostcalls::set_shared_data("set", Some(VALUE.as_bytes()), None).is_ok()
            }
            "increment_metric" => hostcalls::increment_metric(self.counter, 1).is_ok(),
            _ => false,
        })
    }
}
