// SPDX-License-Identifier: GPL-2.0

//! A package manager configuration of our own, which fetches packages of
//! another release without touching the machine's configuration.
//!
//! The mirror is the one that the machine is configured for: apt itself says
//! which, so that both formats of its source lists are understood.

use crate::{
    cache::{Cache, Stamp, make_dir, write_atomically},
    cmd::Cmd,
    pins::Pins,
    ui,
};
use anyhow::{Context, Result, bail};
use std::{
    fs,
    path::{Path, PathBuf},
};

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
const OS_RELEASE: &str = "/etc/os-release";

pub(crate) struct Apt {
    config: PathBuf,
    log: PathBuf,
    /// Address of the mirror; it stays out of everything the repository holds.
    mirror: String,
}

impl Apt {
    /// Writes the configuration, and fetches the lists unless they are there.
    pub(crate) fn open(cache: &Cache, pins: &Pins) -> Result<Self> {
        let mirror = find_mirror(cache)?;
        let folder = cache.path("apt");
        for part in ["etc", "lists/partial", "archives/partial"] {
            make_dir(&folder.join(part))?;
        }
        let sources = sources(&mirror, [&pins.guest.suite, &pins.kernel.suite]);
        write_atomically(&folder.join("etc/sources.list"), sources.as_bytes())?;
        let config = folder.join("apt.conf");
        write_atomically(&config, configuration(&folder).as_bytes())?;
        let apt = Self {
            config,
            log: cache.log("apt"),
            mirror,
        };
        let stamp = Stamp::of(&folder.join("lists"));
        if !stamp.is(&sources) {
            ui::step("fetch the package lists", || apt.update())?;
            stamp.write(&sources)?;
        }
        Ok(apt)
    }

    /// Lines of a source list for these suites, from the machine's own mirror.
    pub(crate) fn sources(&self, suites: [&String; 2]) -> String {
        sources(&self.mirror, suites)
    }

    /// Downloads one package, held to `version`, and unpacks it into `into`.
    pub(crate) fn unpack(&self, package: &str, version: &str, into: &Path) -> Result<()> {
        let folder = into.with_extension("deb");
        make_dir(&folder)?;
        let wanted = format!("{package}={version}");
        if self.download(&wanted, &folder).is_err() {
            // The lists may be older than the package.
            self.update()?;
            self.download(&wanted, &folder)
                .with_context(|| format!("the mirror has no {wanted} (see xtask/pins.toml)"))?;
        }
        let deb = only_file(&folder)?;
        Cmd::new("dpkg-deb")
            .arg("-x")
            .arg(&deb)
            .arg(into)
            .run(&self.log)?;
        fs::remove_dir_all(&folder)?;
        Ok(())
    }

    fn update(&self) -> Result<()> {
        self.apt_get().arg("update").run(&self.log)
    }

    fn download(&self, wanted: &str, folder: &Path) -> Result<()> {
        self.apt_get()
            .args(["download", wanted])
            .dir(folder)
            .run(&self.log)
    }

    fn apt_get(&self) -> Cmd {
        // The user that apt drops to may not read a folder of ours.
        Cmd::new("apt-get")
            .env("APT_CONFIG", &self.config)
            .args(["-o", "APT::Sandbox::User=root"])
    }
}

/// Settings of the machine's that a private apt, as the one that makes the
/// guest's root, has to keep to reach the mirror at all.
pub(crate) fn transport_settings() -> Result<Vec<String>> {
    Ok(transport(&Cmd::new("apt-config").arg("dump").read()?))
}

fn transport(dump: &str) -> Vec<String> {
    let matters = |line: &&str| {
        let line = line.to_lowercase();
        line.starts_with("acquire::check-")
            || line.starts_with("acquire::http") && !line.contains("::useragent")
    };
    let kept = dump
        .lines()
        .filter(matters)
        .filter(|line| !line.contains(" \"\""));
    kept.map(str::to_owned).collect()
}

fn find_mirror(cache: &Cache) -> Result<String> {
    let release = fs::read_to_string(OS_RELEASE).with_context(|| OS_RELEASE.to_owned())?;
    let codename = codename(&release)?;
    mirror(&targets()?, &codename).or_else(|error| {
        // apt knows its targets only once it has fetched their lists.
        ui::step("fetch the machine's own package lists", || {
            let update = Cmd::new("apt-get").arg("update");
            update.run(&cache.log("apt-update")).context(error)
        })?;
        mirror(&targets()?, &codename)
    })
}

fn targets() -> Result<String> {
    let format = "$(REPO_URI) $(RELEASE) $(COMPONENT)";
    Cmd::new("apt-get")
        .args(["indextargets", "--format", format])
        .read()
}

/// The address that serves the main component of the machine's own release.
fn mirror(targets: &str, codename: &str) -> Result<String> {
    let found = targets.lines().find_map(|line| {
        let [uri, release, component] = line.split_whitespace().collect::<Vec<_>>()[..] else {
            return None;
        };
        (release == codename && component == "main").then(|| uri.to_owned())
    });
    found.with_context(|| format!("apt has no source for the main part of {codename}"))
}

fn codename(os_release: &str) -> Result<String> {
    let mut lines = os_release.lines();
    let name = lines.find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    match name.map(|name| name.trim_matches('"')) {
        Some(name) if !name.is_empty() => Ok(name.to_owned()),
        _ => bail!("{OS_RELEASE} does not name the release"),
    }
}

fn sources(mirror: &str, suites: [&String; 2]) -> String {
    let line = |suite| format!("deb [signed-by={KEYRING}] {mirror} {suite} main\n");
    suites.into_iter().map(line).collect()
}

fn configuration(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "Dir::Etc::sourcelist \"{folder}/etc/sources.list\";\n\
         Dir::Etc::sourceparts \"-\";\n\
         Dir::State::lists \"{folder}/lists\";\n\
         Dir::Cache \"{folder}\";\n\
         Dir::Cache::archives \"{folder}/archives\";\n"
    )
}

fn only_file(folder: &Path) -> Result<PathBuf> {
    let entry = fs::read_dir(folder)?
        .next()
        .context("apt downloaded nothing")?;
    Ok(entry?.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGETS: &str = "\
http://mirror.test/debian-security/ bookworm-security main
http://mirror.test/debian/ bookworm-updates main
http://mirror.test/debian/ bookworm contrib
http://mirror.test/debian/ bookworm main
http://other.test/tools/ nodistro main
";

    #[test]
    fn the_mirror_is_that_of_the_release_itself() {
        assert_eq!(
            mirror(TARGETS, "bookworm").unwrap(),
            "http://mirror.test/debian/"
        );
    }

    #[test]
    fn a_machine_without_a_mirror_is_told_so() {
        let error = mirror(TARGETS, "noble").unwrap_err().to_string();
        assert!(error.contains("noble"));
        assert!(mirror("", "bookworm").is_err());
    }

    #[test]
    fn the_codename_may_be_quoted_or_absent() {
        assert_eq!(
            codename("ID=debian\nVERSION_CODENAME=\"trixie\"\n").unwrap(),
            "trixie"
        );
        assert!(codename("ID=arch\n").is_err());
    }

    #[test]
    fn proxies_and_clock_checks_are_kept_and_nothing_else() {
        let dump = "APT::Architecture \"amd64\";\n\
                    Acquire::http::Proxy \"http://proxy.test:3128\";\n\
                    Acquire::Check-Date \"false\";\n\
                    Acquire::https \"\";\n\
                    Acquire::Languages \"none\";\n";
        let kept = transport(dump);
        assert_eq!(kept.len(), 2, "{kept:?}");
    }
}
