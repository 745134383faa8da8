//! Writes the world's data sets and its pre-training corpus.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use emhost_world::files::{WorldError, assessor_corpus, committed, corpus};
use emhost_world::world::World;

const USAGE: &str = "usage: emhost-world write DIR
       emhost-world corpus --rows N --seed S --out FILE
       emhost-world assessor --rows N --seed S --out FILE";

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{USAGE}")]
    Usage,
    #[error(transparent)]
    World(#[from] WorldError),
    #[error("write {}: {source}", path.display())]
    Write { path: PathBuf, source: std::io::Error },
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args.iter().map(String::as_str).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("emhost-world: {failure}");
            ExitCode::from(match failure {
                Failure::Usage => 2,
                Failure::World(_) => 1,
                Failure::Write { .. } => 5,
            })
        }
    }
}

fn run(args: &[&str]) -> Result<(), Failure> {
    match args {
        ["write", dir] => committed()?.iter().try_for_each(|(path, text)| write(&Path::new(dir).join(path), text)),
        ["assessor", "--rows", rows, "--seed", seed, "--out", file] => {
            let rows = rows.parse().map_err(|_| Failure::Usage)?;
            let seed = seed.parse().map_err(|_| Failure::Usage)?;
            let world = World::load().map_err(WorldError::from)?;
            write(Path::new(file), &assessor_corpus(&world, rows, seed)?)
        }
        ["corpus", "--rows", rows, "--seed", seed, "--out", file] => {
            let rows = rows.parse().map_err(|_| Failure::Usage)?;
            let seed = seed.parse().map_err(|_| Failure::Usage)?;
            let world = World::load().map_err(WorldError::from)?;
            write(Path::new(file), &corpus(&world, rows, seed)?)
        }
        _ => Err(Failure::Usage),
    }
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let failure = |source| Failure::Write { path: path.to_owned(), source };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failure)?;
    }
    std::fs::write(path, text).map_err(failure)
}
