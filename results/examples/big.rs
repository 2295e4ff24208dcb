//! How large and how fast the HTML report of a big run is: `cargo run --release -p gauntlet-results --example big`.

#[path = "../tests/support/mod.rs"]
mod support;

use gauntlet_results::report::{Format, Options};
use std::time::Instant;

fn main() {
    for (kernels, cases) in [(3, 120), (20, 400)] {
        let record = support::sample::big(kernels, cases);
        for format in Format::ALL {
            let start = Instant::now();
            let size = format.render(&record, &Options::default()).len();
            println!("{kernels} kernels × {cases} cases, {format}: {size} bytes in {:?}", start.elapsed());
        }
    }
}
