//! Random kills: whatever a process was doing, the store is whole and the next build goes on.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::machine::{KINDS, Machine, Running, succeed};
use crate::random::Random;

const DOCKERFILE: &str = r#"FROM scratch AS base
COPY --from=tools busybox /bin/
SHELL ["/bin/busybox", "sh", "-c"]
FROM base AS one
COPY a.txt /w/
RUN --mount=type=cache,target=/cache tr a-z A-Z < /w/a.txt > /w/A.txt; echo >> /cache/log
RUN for i in 1 2 3 4 5 6 7 8 9; do cat /w/A.txt /w/a.txt > /w/f$i; done
FROM base AS two
COPY b.txt /w/
RUN rev < /w/b.txt > /w/B.txt
FROM base
COPY --from=one /w/ /one/
COPY --link --from=two /w/B.txt /two/
RUN cat /one/A.txt /two/B.txt > /both.txt
CMD ["/bin/busybox", "cat", "/both.txt"]
"#;

const KILLS: u32 = 30;

/// The seed: `GALLEY_KILLS_SEED`, or one that was never used.
fn seed() -> u64 {
    let given = std::env::var("GALLEY_KILLS_SEED").ok().and_then(|text| text.parse().ok());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    given.unwrap_or(u64::try_from(now % 1_000_000_007).unwrap())
}

#[test]
fn random_kills_leave_a_whole_store_and_the_final_build_is_right() {
    let seed = seed();
    eprintln!("GALLEY_KILLS_SEED={seed}");
    let mut random = Random::new(seed);
    for kind in KINDS {
        let Some(machine) = Machine::new(kind) else { return };
        let started = Instant::now();
        machine.write("a.txt", "a\n");
        machine.write("b.txt", "b\n");
        succeed(&mut machine.build(DOCKERFILE, &["--reproducible"]));
        let whole_build = started.elapsed();
        let mut interrupted = 0;
        for round in 0..KILLS {
            // Now one stage has work, now the other, now both.
            for name in [["a.txt"].as_slice(), &["b.txt"], &["a.txt", "b.txt"]][random.below(3)] {
                machine.write(name, &format!("{name} {round}\n"));
            }
            let mut doomed = match random.below(5) {
                0 => machine.galley(&["prune"]),
                1 => machine.galley(&["prune", "--keep-storage", "3MB"]),
                2 => machine.build(DOCKERFILE, &["--reproducible", "--no-cache"]),
                _ => machine.build(DOCKERFILE, &["--reproducible"]),
            };
            let running = Running::start(&mut doomed);
            let moment = u64::try_from(whole_build.as_micros()).unwrap().max(1);
            // The first build may have been slow: so all lengths of time down to a hundredth of it are as likely.
            std::thread::sleep(Duration::from_micros((random.number() % moment) >> random.below(8)));
            interrupted += u32::from(running.kill());
            machine.assert_whole(&format!("seed {seed}, {kind}, round {round}"));
        }
        assert!(interrupted > 0, "seed {seed}: every process had ended before it was killed");
        succeed(&mut machine.build(DOCKERFILE, &["--reproducible"]));
        machine.assert_whole(&format!("seed {seed}, {kind}, at the end"));
        machine.assert_swept(&format!("seed {seed}, {kind}, at the end"));
        machine.prune(&format!("seed {seed}, {kind}, at the end"));
        let (id, printed) = (machine.image_id(), machine.printed());
        succeed(&mut machine.galley(&["store", "reset"]));
        succeed(&mut machine.build(DOCKERFILE, &["--reproducible"]));
        assert_eq!((id, printed), (machine.image_id(), machine.printed()), "seed {seed}, {kind}");
    }
}
