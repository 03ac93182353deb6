//! The hot paths by time.

// What criterion makes has no docs.
#![allow(missing_docs)]

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use landslide_paths::PATHS;

fn all(criterion: &mut Criterion) {
    for path in PATHS {
        let mut group = criterion.benchmark_group(path.name);
        group.throughput(Throughput::Elements(path.units));
        let mut work = (path.prepare)();
        group.bench_function("time", |bencher| bencher.iter(&mut work));
        group.finish();
    }
}

fn short() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .sample_size(20)
}

criterion_group!(name = paths; config = short(); targets = all);
criterion_main!(paths);
