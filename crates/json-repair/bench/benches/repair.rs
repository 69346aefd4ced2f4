//! The speed of repair: of JSON damaged as models do, and of hostile texts.

#[path = "../../tests/support/hostile_texts.rs"]
mod hostile_texts;

use std::{hint::black_box, time::Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use json_repair::{ExpectedShape, Stream, repair};

const RECORD: &str = r#"{"id": 1234, "name": "Ada Lovelace", "email": "ada@example.org", "text": "She wrote \"notes\" on the engine, which are longer than the paper itself; they are still read today.", "tags": ["a", "b"], "score": 0.75, "ok": true}"#;

/// Returns an array of `count` records, each damaged in the same way.
fn records(count: usize, damage: impl Fn(&str) -> String) -> String {
    format!("[{}]", vec![damage(RECORD); count].join(",\n"))
}

/// Returns arrays of `count` records with one kind of damage each.
fn texts(count: usize) -> Vec<(&'static str, String)> {
    vec![
        ("valid", records(count, str::to_owned)),
        ("trailing commas", records(count, |record| record.replace("true}", "true,}"))),
        ("single quotes", records(count, |record| record.replace('"', "'"))),
        (
            "unquoted keys",
            records(count, |record| record.replace("\"id\"", "id").replace("\"ok\"", "ok")),
        ),
        ("unescaped quotes", records(count, |record| record.replace("\\\"", "\""))),
        ("closing quotes missing", records(count, |record| record.replace("org\"", "org"))),
        ("truncated", records(count, str::to_owned).trim_end_matches("true}]").to_owned()),
        ("fence and prose", format!("Here:\n```json\n{}\n```\n", records(count, str::to_owned))),
    ]
}

/// Returns texts of one megabyte in which one piece is repeated, and deeply nested arrays.
fn repeated() -> Vec<(String, String)> {
    let repeated =
        ["\"", "{", "[", "```", "{}", "[\"", "{\"a\":", "'", "{'", "[{\"a\":[", "\\", "(", "#"];
    let repeated = repeated.map(|unit| (unit.to_owned(), unit.repeat((1 << 20) / unit.len())));
    let deep = format!("{}1,{}", "[".repeat(100_000), "]".repeat(100_000));
    repeated.into_iter().chain([("100,000 levels".to_owned(), deep)]).collect()
}

fn whole(criterion: &mut Criterion) {
    let shape = ExpectedShape::default();
    for (size, count) in [("2 KB", 8), ("1 MB", 4600)] {
        let mut group = criterion.benchmark_group(size);
        for (name, text) in texts(count) {
            group.throughput(Throughput::Bytes(text.len() as u64));
            group.bench_with_input(BenchmarkId::from_parameter(name), &text, |bench, text| {
                bench.iter(|| repair(black_box(text), &shape).is_ok());
            });
        }
        group.finish();
    }
}

fn hostile(criterion: &mut Criterion) {
    let shape = ExpectedShape::default();
    let mut group = criterion.benchmark_group("hostile 1 MB");
    group.sample_size(10);
    for (name, text) in repeated().into_iter().chain(slowest()) {
        group.bench_with_input(BenchmarkId::from_parameter(name), &text, |bench, text| {
            bench.iter(|| repair(black_box(text), &shape).is_ok());
        });
    }
    group.finish();
}

/// Returns the five slowest pairs of pieces, repeated.
fn slowest() -> impl Iterator<Item = (String, String)> {
    let shape = ExpectedShape::default();
    let took = |text: &String| {
        let begin = Instant::now();
        black_box(repair(black_box(text), &shape).is_ok());
        begin.elapsed()
    };
    let mut all: Vec<_> = hostile_texts::hostile(1 << 15)
        .enumerate()
        .map(|(index, text)| ((0..3).map(|_| took(&text)).min(), index))
        .collect();
    all.sort_unstable();
    let worst = all.into_iter().rev().take(5);
    worst.filter_map(|(_, index)| {
        let text = hostile_texts::hostile(1 << 20).nth(index)?;
        Some((format!("{:?}", text.chars().take(20).collect::<String>()), text))
    })
}

fn streams(criterion: &mut Criterion) {
    let shape = ExpectedShape::default();
    let mut group = criterion.benchmark_group("2 KB in pieces of 4 bytes");
    for (name, text) in texts(8) {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter(name), &text, |bench, text| {
            bench.iter(|| {
                let (mut stream, mut out) = (Stream::new(&shape), Vec::new());
                for piece in text.as_bytes().chunks(4) {
                    let piece = std::str::from_utf8(black_box(piece)).unwrap_or_default();
                    stream.feed(piece, &mut out).ok();
                }
                stream.finish(&mut out).is_ok()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, whole, hostile, streams);
criterion_main!(benches);
