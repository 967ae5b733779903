//! Links between the documents lead to files and headings that exist.

use std::{
    fs,
    path::{Path, PathBuf},
};

use strata_tests::root;

#[test]
fn links_between_documents_lead_somewhere() {
    let mut broken = Vec::new();
    for document in documents() {
        let text = prose(&fs::read_to_string(&document).unwrap());
        for link in links(&text).filter(|link| !link.starts_with("http")) {
            if let Err(reason) = follow(&document, link) {
                broken.push(format!("{}: {link}: {reason}", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "correct these links:\n{}", broken.join("\n"));
}

/// The Markdown files of the root and of `docs`.
fn documents() -> Vec<PathBuf> {
    let folders = [root().to_owned(), root().join("docs")];
    let files = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    let paths = files.map(|file| file.unwrap().path());
    paths.filter(|path| path.extension() == Some("md".as_ref())).collect()
}

/// A document without its fenced blocks.
fn prose(text: &str) -> String {
    text.split("```").step_by(2).collect()
}

/// The targets of `[text](target)`.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|after| after.split(')').next())
}

fn follow(document: &Path, link: &str) -> Result<(), &'static str> {
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = match path {
        "" => document.to_owned(),
        path => document.parent().unwrap().join(path),
    };
    if !target.exists() {
        return Err("there is no such file");
    }
    if anchor.is_empty() {
        return Ok(());
    }
    let text = prose(&fs::read_to_string(target).unwrap());
    let mut headings = text.lines().filter(|line| line.starts_with('#'));
    match headings.any(|heading| anchor_of(heading) == anchor) {
        true => Ok(()),
        false => Err("there is no such heading"),
    }
}

/// The anchor that Git forges give a heading: words in lower case, joined by dashes.
fn anchor_of(heading: &str) -> String {
    let title = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = title.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}
