use std::fmt;

/// One thing that is wrong with a catalogue, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Path in the document: `platforms.aws-lambda.price.gb_second_usd`.
    pub place: String,
    /// What is wrong there, and what would be right.
    pub text: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place.is_empty() {
            return f.write_str(&self.text);
        }
        write!(f, "{}: {}", self.place, self.text)
    }
}

/// A catalogue that cannot be used, with everything that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the catalogue {name} is refused; {}", listed(faults))]
pub struct CatalogueFaults {
    /// The file or the name of the catalogue.
    pub name: String,
    /// At least one.
    pub faults: Vec<Fault>,
}

/// Most faults that a message lists.
const MOST_LISTED: usize = 20;

fn listed(faults: &[Fault]) -> String {
    let mut text = match faults.len() {
        1 => "1 fault:".to_owned(),
        count => format!("{count} faults:"),
    };
    for fault in faults.iter().take(MOST_LISTED) {
        text.push_str(&format!("\n  {fault}"));
    }
    if faults.len() > MOST_LISTED {
        text.push_str(&format!("\n  and {} more", faults.len() - MOST_LISTED));
    }
    text
}
