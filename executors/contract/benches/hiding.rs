//! What it costs to look for secrets in what passes by: `cargo bench -p outpost-executor --bench hiding`.
//!
//! A log of 64 MiB, half words and half JSON, goes through a stream in pieces as a pipe gives them, with one secret and
//! with twenty. The best of several rounds is told.

#![expect(clippy::print_stdout, reason = "its table is for people")]
#![expect(clippy::expect_used, reason = "a bench that cannot run has to say so")]

use std::time::Instant;

use outpost_executor::{Redaction, Secrets};

const ROUNDS: usize = 5;
const PIECE: usize = 64 << 10;

fn main() {
    let line = "2026-01-01T00:00:00Z compiled 17 of 230 modules in 4.2 s, next is the linker\n{\"level\":\"info\",\"message\":\"listening\",\"port\":8080,\"path\":\"/srv/shop/current\"}\n";
    let log = line.repeat((64 << 20) / line.len());
    println!("secrets    MB/s");
    for count in [1, 20] {
        let secrets = (0..count).map(|number| (format!("S{number}"), format!("{number}-hunter2-{:x}", number * 7_919)));
        let secrets = Secrets::new(secrets.map(|(name, value)| (name, value.into_bytes())));
        let redaction = Redaction::of(&secrets).expect("few").expect("long enough");
        let mut best = f64::INFINITY;
        for _ in 0..ROUNDS {
            let (mut stream, mut out) = (redaction.stream(), Vec::new());
            let begin = Instant::now();
            for piece in log.as_bytes().chunks(PIECE) {
                stream.push(piece, &mut out);
                out.clear();
            }
            stream.finish(&mut out);
            best = best.min(begin.elapsed().as_secs_f64());
            assert_eq!(stream.found(), 0, "there is none in it");
        }
        println!("{count:>7} {:>7.0}", log.len() as f64 / 1e6 / best);
    }
}
