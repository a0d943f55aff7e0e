// SPDX-License-Identifier: GPL-2.0

//! `cargo xtask trust`: what of the overlay nobody but its reader checks, that
//! is `unsafe` Rust, and C.
//!
//! Rust is taken apart into tokens, the bodies of macros included, so that no
//! comment or string counts, and no `unsafe` in a macro is missed.

use crate::{cache, overlay::Overlay};
use anyhow::{Context, Result, anyhow};
use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::{
    fs,
    ops::AddAssign,
    path::{Path, PathBuf},
};

/// Where the table is shown, and where it is said why a file needs `unsafe`.
const PAGE: &str = "Documentation/trace/uprobes-rust-trust.rst";

/// Folders of the overlay that are built into the kernel.
const BUILT: [&str; 3] = ["kernel", "rust", "include"];

#[derive(Default, Clone, Copy, Debug, PartialEq, Eq)]
struct Counts {
    /// Lines that are neither blank nor a comment.
    rust: usize,
    c: usize,
    blocks: usize,
    /// Functions whose callers owe something.
    functions: usize,
    /// `unsafe impl` and `unsafe trait`.
    impls: usize,
    /// `unsafe(…)`, handed to a macro or an attribute.
    others: usize,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, more: Self) {
        self.rust += more.rust;
        self.c += more.c;
        self.blocks += more.blocks;
        self.functions += more.functions;
        self.impls += more.impls;
        self.others += more.others;
    }
}

impl Counts {
    fn is_unsafe(&self) -> bool {
        self.blocks + self.functions + self.impls + self.others > 0
    }

    fn row(&self, name: &str) -> Vec<String> {
        let numbers = [
            self.rust,
            self.blocks,
            self.functions,
            self.impls,
            self.others,
            self.c,
        ];
        let shown = numbers.map(|number| match number {
            0 => String::new(),
            _ => number.to_string(),
        });
        [name.to_owned()].into_iter().chain(shown).collect()
    }
}

/// The counts of what is built into the kernel, as they are shown.
pub(crate) fn table(overlay: &Overlay) -> Result<String> {
    Ok(render(&count(overlay)?).to_string())
}

/// Puts the table into the documentation.
pub(crate) fn write(overlay: &Overlay, table: &str) -> Result<()> {
    let path = overlay.repo().join(PAGE);
    let page = fs::read_to_string(&path).with_context(|| PAGE)?;
    let page = with_table(&page, table)?;
    cache::write_atomically(&path, page.as_bytes())
}

/// The page's text with this table in the place of its own.
fn with_table(page: &str, table: &str) -> Result<String> {
    let begin = page.find("  ┌").context("the page has no table")?;
    let last = page.find("  └").context("the page's table has no end")?;
    let end = last + page[last..].find('\n').context("the page ends there")?;
    let lines: Vec<String> = table.lines().map(|line| format!("  {line}")).collect();
    Ok([&page[..begin], &lines.join("\n"), &page[end..]].concat())
}

/// What is built into the kernel, file by file.
fn count(overlay: &Overlay) -> Result<Vec<(PathBuf, Counts)>> {
    let mut counted = Vec::new();
    for file in &overlay.files {
        if BUILT.iter().any(|folder| file.starts_with(folder))
            && let Some(counts) = count_file(overlay.repo(), file)?
        {
            counted.push((file.clone(), counts));
        }
    }
    for edit in &overlay.edits {
        let name = edit
            .path
            .strip_prefix(overlay.repo())
            .unwrap_or(&edit.path)
            .to_owned();
        let counts = Counts {
            c: added_lines(&fs::read_to_string(&edit.path)?),
            ..Counts::default()
        };
        counted.push((name, counts));
    }
    Ok(counted)
}

fn count_file(repo: &Path, file: &Path) -> Result<Option<Counts>> {
    let read = || fs::read_to_string(repo.join(file)).with_context(|| file.display().to_string());
    match file.extension().and_then(|end| end.to_str()) {
        Some("rs") => {
            let text = read()?;
            count_rust(&text)
                .with_context(|| file.display().to_string())
                .map(Some)
        }
        Some("c" | "h" | "S") => Ok(Some(Counts {
            c: c_lines(&read()?),
            ..Counts::default()
        })),
        _ => Ok(None),
    }
}

fn count_rust(text: &str) -> Result<Counts> {
    let tokens: TokenStream = text.parse().map_err(|error| anyhow!("{error}"))?;
    let mut counts = Counts {
        rust: rust_lines(text),
        ..Counts::default()
    };
    walk(tokens, &mut counts);
    Ok(counts)
}

fn walk(tokens: TokenStream, counts: &mut Counts) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for (index, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Group(group) => walk(group.stream(), counts),
            TokenTree::Ident(word) if word == "unsafe" => classify(&tokens[index + 1..], counts),
            _ => {}
        }
    }
}

/// Counts an `unsafe` by what comes after it.
fn classify(rest: &[TokenTree], counts: &mut Counts) {
    match rest {
        [TokenTree::Group(group), ..] if group.delimiter() == Delimiter::Brace => {
            counts.blocks += 1;
        }
        [TokenTree::Group(_), ..] => counts.others += 1,
        [TokenTree::Ident(word), ..] if word == "impl" || word == "trait" => counts.impls += 1,
        // `unsafe fn name`, `unsafe extern "C" fn name`; a type of functions has no name.
        _ => {
            let after = rest.iter().skip_while(|token| !is_word(token, "fn")).nth(1);
            counts.functions += usize::from(matches!(after, Some(TokenTree::Ident(_))));
        }
    }
}

fn is_word(token: &TokenTree, wanted: &str) -> bool {
    matches!(token, TokenTree::Ident(word) if word == wanted)
}

fn rust_lines(text: &str) -> usize {
    let is_code = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with("//");
    text.lines().filter(is_code).count()
}

fn c_lines(text: &str) -> usize {
    let mut in_comment = false;
    let mut count = 0;
    for line in text.lines().map(str::trim) {
        let begins = line.starts_with("/*");
        if !in_comment && !begins && !line.is_empty() && !line.starts_with("//") {
            count += 1;
        }
        in_comment = (in_comment || begins) && !line.ends_with("*/");
    }
    count
}

/// Lines that a patch adds, of whatever language.
fn added_lines(patch: &str) -> usize {
    let is_added = |line: &&str| line.starts_with('+') && !line.starts_with("+++");
    patch.lines().filter(is_added).count()
}

fn render(counted: &[(PathBuf, Counts)]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header([
        "file",
        "Rust",
        "unsafe {}",
        "unsafe fn",
        "unsafe impl",
        "unsafe()",
        "C and edits",
    ]);
    let mut total = Counts::default();
    let mut safe = Counts::default();
    let mut safe_files = 0;
    for (file, counts) in counted {
        total += *counts;
        if counts.is_unsafe() || counts.c > 0 {
            table.add_row(counts.row(&file.display().to_string()));
        } else {
            safe += *counts;
            safe_files += 1;
        }
    }
    table.add_row(safe.row(&format!("{safe_files} files without unsafe")));
    table.add_row(total.row("all"));
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project;

    fn of(text: &str) -> Counts {
        count_rust(text).unwrap()
    }

    #[test]
    fn blocks_count_inside_of_macros_too() {
        let counts = of("fn f() { unsafe { g() }; m!(unsafe { h() }); }");
        assert_eq!(counts.blocks, 2);
    }

    #[test]
    fn comments_and_strings_do_not_count() {
        let counts = of("// unsafe {}\n/// unsafe {}\nfn f() { g(\"unsafe {}\") }\n");
        assert!(!counts.is_unsafe());
        assert_eq!(counts.rust, 1);
    }

    #[test]
    fn functions_count_and_their_types_do_not() {
        let counts = of("unsafe fn f() {} pub unsafe extern \"C\" fn g() {} \
                         type T = unsafe extern \"C\" fn(u8); unsafe impl Send for S {}");
        assert_eq!((counts.functions, counts.impls), (2, 1));
    }

    #[test]
    fn promises_to_macros_count() {
        assert_eq!(
            of("global_lock! { unsafe(uninit) static X: u8 = 0; }").others,
            1
        );
    }

    #[test]
    fn comments_of_c_are_not_code() {
        let text = "/* one line */\n/*\n * more\n */\nint x;\t/* behind */\n\n// another\nint y;\n";
        assert_eq!(c_lines(text), 2);
    }

    #[test]
    fn a_table_replaces_the_one_of_the_page() {
        let page = "a\n\n  ┌──┐\n  │ 1│\n  └──┘\n\nb\n";
        let with = with_table(page, "┌─┐\n│2│\n└─┘").unwrap();
        assert_eq!(with, "a\n\n  ┌─┐\n  │2│\n  └─┘\n\nb\n");
        assert!(with_table("a\n", "").is_err());
    }

    #[test]
    fn the_page_shows_what_is_counted() {
        let repo = project::repository().unwrap();
        let page = fs::read_to_string(repo.join(PAGE)).unwrap();
        let table = table(&Overlay::load(&repo).unwrap()).unwrap();
        assert!(
            with_table(&page, &table).unwrap() == page,
            "{PAGE} is out of date: run cargo xtask trust --write"
        );
    }

    #[test]
    fn every_file_with_unsafe_has_its_reason() {
        let repo = project::repository().unwrap();
        let page = fs::read_to_string(repo.join(PAGE)).unwrap();
        let counted = count(&Overlay::load(&repo).unwrap()).unwrap();
        let missing: Vec<_> = counted
            .iter()
            .filter(|(_, counts)| counts.is_unsafe())
            .map(|(file, _)| format!("``{}``", file.display()))
            .filter(|name| !page.contains(name))
            .collect();
        assert!(missing.is_empty(), "{PAGE} does not say why: {missing:?}");
    }
}
