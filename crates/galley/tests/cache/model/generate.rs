//! Makes up a project and what happens to it. What steps write depends on what they read and on nothing else.

use super::case::Op;
use crate::random::Random;

/// Files of the context.
const FILES: [&str; 7] = ["a", "b", "d/x", "d/y", "d/sub/z", "e", "d/many/7"];

/// So many files in `d/many`, in every other case, that layers are made to lie over others.
const MANY: usize = 40;

/// Its directories.
const DIRECTORIES: [&str; 3] = ["d", "d/sub", "."];

const MODES: [u32; 5] = [0o644, 0o600, 0o755, 0o444, 0o4755];

/// Operations after the first build.
const OPERATIONS: usize = 14;

/// The case of a seed.
pub fn generate(seed: u64) -> Vec<Op> {
    let mut random = Random::new(seed);
    let mut ops: Vec<Op> = FILES.iter().map(|path| file(path, &mut random)).collect();
    if seed.is_multiple_of(2) {
        ops.extend((10..10 + MANY).map(|number| file(&format!("d/many/{number}"), &mut random)));
    }
    let mut stages = Stages::new(&mut random);
    ops.push(Op::Dockerfile { text: stages.text() });
    ops.push(Op::Build);
    for _ in 0..OPERATIONS {
        ops.push(operation(&mut random, &mut stages));
        match random.below(10) {
            0..6 => ops.push(Op::Build),
            6 => ops.push(Op::BuildNoCache),
            7 => ops.push(Op::BuildFilter { stage: stages.any(&mut random) }),
            _ => {}
        }
    }
    ops.push(Op::Build);
    ops
}

fn word(random: &mut Random) -> String {
    format!("w{:03}", random.below(1000))
}

fn file(path: &str, random: &mut Random) -> Op {
    Op::File { path: path.into(), text: word(random) }
}

fn operation(random: &mut Random, stages: &mut Stages) -> Op {
    let path: String = random.of(&FILES).into();
    match random.below(22) {
        0..3 => file(&path, random),
        3..5 => Op::Sneak { path, text: word(random) },
        5 => Op::Mode { path, mode: random.of(&MODES) },
        6 => Op::Mode { path: random.of(&["d", "d/sub"]).into(), mode: random.of(&[0o755, 0o700, 0o1777]) },
        7 => Op::Remove { path: random.of(&["b", "d/y", "d/sub", "e", "d/new", "d/many/11"]).into() },
        8 => Op::Rename { from: path, to: random.of(&["d/new", "e", "d/sub/moved"]).into() },
        9 => Op::Symlink {
            path: random.of(&["d/link", "e"]).into(),
            target: random.of(&["x", "/w/a", "none"]).into(),
        },
        10 => Op::Hardlink {
            path: random.of(&["d/twin", "d/y"]).into(),
            target: random.of(&["d/x", "a"]).into(),
        },
        11 => Op::Note { path, value: word(random) },
        12 => Op::Ignore { pattern: random.of(&["none", "d/y", "d/sub", "**/x"]).into() },
        13..16 => {
            stages.change(random);
            Op::Dockerfile { text: stages.text() }
        }
        16 => Op::Arg { name: "P".into(), value: word(random) },
        17 => {
            let stage = if random.below(2) == 0 { "-".into() } else { stages.any(random) };
            Op::Target { stage }
        }
        18 => Op::RemoveImages,
        19 => Op::Prune,
        20 => Op::PruneTo { bytes: random.number() % 5_000_000 },
        _ => Op::Kill { lines: random.below(25) },
    }
}

/// The stages of a Dockerfile: which one each begins with, and its steps.
struct Stages(Vec<(usize, Vec<String>)>);

impl Stages {
    fn new(random: &mut Random) -> Self {
        let mut stages = Self(Vec::new());
        for at in 0..2 + random.below(3) {
            let steps = (0..1 + random.below(4)).map(|_| step(random, at)).collect();
            stages.0.push((random.below(at + 1), steps));
        }
        stages
    }

    /// The name of one of them.
    fn any(&self, random: &mut Random) -> String {
        format!("s{}", 1 + random.below(self.0.len()))
    }

    /// Adds, replaces or deletes a step somewhere.
    fn change(&mut self, random: &mut Random) {
        let at = random.below(self.0.len());
        let new = step(random, at);
        let steps = &mut self.0[at].1;
        let place = random.below(steps.len() + 1);
        match random.below(3) {
            0 => steps.insert(place, new),
            1 if place < steps.len() => drop(steps.remove(place)),
            _ if place < steps.len() => steps[place] = new,
            _ => steps.push(new),
        }
    }

    fn text(&self) -> String {
        let mut text = String::from(
            "FROM scratch AS s0\nCOPY --from=tools busybox /bin/\nSHELL [\"/bin/busybox\", \"sh\", \"-c\"]\nWORKDIR /w\n",
        );
        for (at, (base, steps)) in self.0.iter().enumerate() {
            text.push_str(&format!("FROM s{base} AS s{}\n", at + 1));
            for step in steps {
                text.push_str(step);
                text.push('\n');
            }
        }
        text
    }
}

/// Lists what is below a directory, modes and owners and links with it, and all bytes: what a step can see.
const LOOK: &str = "| sort | while read f; do stat -c '%n %F %a %u %g' $f; [ -f $f ] && md5sum < $f; [ -h $f ] && readlink $f; true; done";

/// A step of the stage after number `at`.
fn step(random: &mut Random, at: usize) -> String {
    let (path, directory, mark) = (random.of(&FILES), random.of(&DIRECTORIES), random.below(100));
    let (name, mode) = (random.of(&["a", "b", "d", "n"]), random.of(&MODES));
    let earlier = format!("s{}", random.below(at + 1));
    let below = random.of(&["/w", "/w/d", "/w/n"]);
    match random.below(20) {
        0 => format!("COPY {path} /w/"),
        1 => format!("COPY {directory} /w/n/"),
        2 => format!("COPY --chmod={mode:04o} {path} /w/n/"),
        3 => format!("COPY --chown=7:8 {directory} /w/own{mark}/"),
        4 => format!("COPY --link {path} /opt/l{mark}/"),
        5 => format!("COPY --from={earlier} {below}* /w/from{mark}/"),
        6 => format!("COPY --link --from={earlier} {below}* /w/n/"),
        7 => "COPY d/* /w/glob/".into(),
        8..10 => format!("RUN find /w -mindepth 1 {LOOK} > /sum{mark}"),
        10 => format!("RUN rm -rf /w/{name} && mkdir -p /w/{name} && echo {mark} > /w/{name}/f"),
        11 => format!(
            "RUN cd /w && echo {mark} > p{mark} && ln p{mark} q{mark} && ln -s p{mark} r{mark} && mkfifo -m 600 fifo{mark}"
        ),
        12 => format!(
            "RUN --mount=type=bind,source={directory},target=/mnt find /mnt -mindepth 1 {LOOK} > /bound{mark}"
        ),
        13 => format!(
            "RUN --mount=type=bind,from={earlier},source=/w,target=/mnt find /mnt {LOOK} > /seen{mark}"
        ),
        14 => format!("RUN --mount=type=cache,target=/c echo {mark} >> /c/log; echo {mark} > /w/c{mark}"),
        15 => format!("ENV E=e{mark}\nRUN echo $E > /w/env"),
        16 => "ARG P=none\nRUN echo $P > /w/arg".into(),
        17 => format!("WORKDIR /w/dir{mark}\nRUN echo {mark} > here\nWORKDIR /w"),
        18 => format!("RUN chmod -R 0{mode:o} /w/{name}; chown -R 5:6 /w/{name}; rm -f /w/a"),
        _ => format!("LABEL l={mark}\nRUN mv /w/{name} /w/moved{mark}; true"),
    }
}
