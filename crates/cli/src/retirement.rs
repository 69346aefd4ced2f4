//! Warnings about models that their providers retire.

use std::time::SystemTime;

use attache::config::Config;

const SECONDS_A_DAY: u64 = 24 * 60 * 60;

/// The days before a retirement in which it is warned of: the shortest notice that Anthropic gives of
/// one (Claude API, "Model deprecations").
const NOTICE_DAYS: u64 = 60;

/// Returns a warning for every model that is retired, or will be within [`NOTICE_DAYS`]. A date begins at
/// midnight, UTC.
pub(crate) fn warnings(config: &Config, now: SystemTime) -> Vec<String> {
    let dates = config.models.iter().filter_map(|(name, model)| {
        let date = model.retirement_date.as_deref()?;
        Some((name, date, humantime::parse_rfc3339(&format!("{date}T00:00:00Z")).ok()?))
    });
    let warning = |(name, date, day): (&String, &str, SystemTime)| {
        let left = day.duration_since(now).unwrap_or_default();
        let problem = match left.as_secs().div_ceil(SECONDS_A_DAY) {
            0 => format!("the model was retired on {date}"),
            days @ 1..=NOTICE_DAYS => {
                format!("the model will be retired on {date}, days left: {days}")
            }
            _ => return None,
        };
        Some(format!("models.{name}.retirement_date: {problem}"))
    };
    dates.filter_map(warning).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway_file;

    /// Returns a configuration with one model, whose retirement date is this.
    fn config(date: &str) -> Config {
        let yaml = format!(
            "
listeners: {{us: {{port: 8080}}}}
plans: {{paid: {{requests_per_minute: 30}}}}
accounts: {{acme: {{plan: paid, key_files: [acme.key]}}}}
providers: {{p: {{api_schema: openai, base_url: {{us: https://example.com}}}}}}
models:
  gpt-5:
    regions: {{us: {{provider: p, upstream_model: gpt-5}}}}
    retirement_date: {date}
"
        );
        Config::parse(&gateway_file::document(&yaml).unwrap()).unwrap()
    }

    #[test]
    fn a_retirement_is_warned_of_for_sixty_days_and_after_it() {
        let cases = [
            ("2026-10-11T23:59:59Z", None),
            ("2026-10-12T00:00:00Z", Some("will be retired on 2026-12-11, days left: 60")),
            ("2026-11-29T12:00:00Z", Some("will be retired on 2026-12-11, days left: 12")),
            ("2026-12-10T23:59:59Z", Some("will be retired on 2026-12-11, days left: 1")),
            ("2026-12-11T00:00:00Z", Some("was retired on 2026-12-11")),
            ("2030-01-01T00:00:00Z", Some("was retired on 2026-12-11")),
        ];
        for (now, problem) in cases {
            let at = humantime::parse_rfc3339(now).unwrap();
            let expected =
                problem.map(|problem| format!("models.gpt-5.retirement_date: the model {problem}"));
            let expected: Vec<String> = expected.into_iter().collect();
            assert_eq!(warnings(&config("2026-12-11"), at), expected, "{now}");
        }
    }

    #[test]
    fn a_model_without_a_date_is_not_warned_of() {
        let far = humantime::parse_rfc3339("2099-01-01T00:00:00Z").unwrap();
        assert_eq!(warnings(&config("null"), far), Vec::<String>::new());
    }
}
