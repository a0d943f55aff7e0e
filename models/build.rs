// SPDX-License-Identifier: GPL-2.0

//! Writes the mutants: for each entry of `mutations.toml` a copy of the modelled files, one of them
//! changed. One that does not fit exactly once is listed as such, and fails.

use anyhow::{Context, Result};
use serde::Deserialize;
use std::{
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

/// The kernel's files.
const KERNEL: &[&str] = &[
    "blocks",
    "book",
    "cache",
    "lease",
    "lease_timer",
    "life",
    "pending",
    "returns",
    "slots",
    "tree",
];
/// What stands for others.
const WORLD: &[&str] = &[
    "arch", "links", "probe", "refctr", "stats", "task", "trace", "xol",
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mutations {
    mutation: Vec<Mutation>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mutation {
    /// The model that must notice.
    model: String,
    /// What is wrong with the mutant.
    name: String,
    /// The file that is changed, of the kernel's.
    file: String,
    find: String,
    replace: String,
    /// Part of what the model says at its end.
    says: String,
}

fn main() -> Result<()> {
    println!("cargo::rustc-check-cfg=cfg(CONFIG_UPROBES_RUST_KUNIT_TEST)");
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var("OUT_DIR")?).join("mutants");
    let sources = Sources { here: &here };
    let mutations: Mutations = toml::from_str(&read(&here.join("mutations.toml"))?)?;
    let mut index = String::new();
    let mut list = String::new();
    for mutation in &mutations.mutation {
        let module = mutation.module();
        let check = match sources.mutate(mutation)? {
            Ok(mutant) => {
                let file = sources.write(mutation, &mutant, &out.join(&module))?;
                writeln!(
                    index,
                    "#[allow(unused, clippy::all)]\n#[path = {file:?}]\npub(crate) mod {module};"
                )?;
                format!("Ok({module}::models::{}::check)", mutation.model)
            }
            Err(why) => format!("Err({why:?})"),
        };
        writeln!(
            list,
            "crate::driver::Mutant {{ name: {:?}, check: {check}, says: {:?} }},",
            mutation.title(),
            mutation.says
        )?;
    }
    writeln!(
        index,
        "pub(crate) const ALL: &[crate::driver::Mutant] = &[\n{list}];"
    )?;
    fs::write(out.with_extension("rs"), index)?;
    Ok(())
}

fn read(path: &Path) -> Result<String> {
    println!("cargo::rerun-if-changed={}", path.display());
    fs::read_to_string(path).with_context(|| path.display().to_string())
}

impl Mutation {
    fn title(&self) -> String {
        format!("{}: {}", self.model, self.name)
    }

    fn module(&self) -> String {
        let title = self.title().to_lowercase();
        let words = title.split(|letter: char| !letter.is_alphanumeric());
        words
            .filter(|word| !word.is_empty())
            .collect::<Vec<_>>()
            .join("_")
    }

    /// The changed file, or why it cannot be changed.
    fn apply(&self, text: &str) -> Result<String, String> {
        let times = text.matches(&self.find).count();
        if times != 1 {
            return Err(format!(
                "what it changes in {} is there {times} times",
                self.file
            ));
        }
        Ok(text.replace(&self.find, &self.replace))
    }
}

struct Sources<'a> {
    here: &'a Path,
}

impl Sources<'_> {
    fn kernel(&self, name: &str) -> PathBuf {
        let folder = self.here.join("../kernel/events/uprobes_rs");
        folder.join(name).with_extension("rs")
    }

    /// The file that a mutation changes, changed, or why it cannot be.
    fn mutate(&self, mutation: &Mutation) -> Result<Result<String, String>> {
        let is_of = |name: &&str| mutation.file == format!("{name}.rs");
        let name = KERNEL.iter().find(|name| is_of(name));
        let name = name.with_context(|| format!("{} is not modelled", mutation.file))?;
        Ok(mutation.apply(&read(&self.kernel(name))?))
    }

    /// Writes a mutant, and returns the file that names its modules.
    fn write(&self, mutation: &Mutation, mutant: &str, folder: &Path) -> Result<PathBuf> {
        fs::create_dir_all(folder.join("models"))?;
        let prefix = format!("crate::mutants::{}::", mutation.module());
        let write = |name: &str, text: &str| {
            let file = folder.join(name).with_extension("rs");
            fs::write(&file, text.replace("crate::", &prefix)).map(|()| file)
        };
        let mut modules = String::new();
        for name in KERNEL {
            let text = read(&self.kernel(name))?;
            let is_changed = mutation.file == format!("{name}.rs");
            write(name, if is_changed { mutant } else { &text })?;
            writeln!(modules, "pub(crate) mod {name};")?;
        }
        let own = self.here.join("src");
        for name in WORLD {
            let from = own.join("world").join(name).with_extension("rs");
            write(name, &read(&from)?)?;
            writeln!(modules, "pub(crate) mod {name};")?;
        }
        let model = format!("models/{}", mutation.model);
        write(&model, &read(&own.join(&model).with_extension("rs"))?)?;
        writeln!(
            modules,
            "pub(crate) mod models {{ pub(crate) mod {}; }}",
            mutation.model
        )?;
        Ok(write("mod", &modules)?)
    }
}
