//! Programs that a test runs to their end.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    process::{Command, ExitStatus, Stdio},
};

use tempfile::NamedTempFile;

use crate::{
    programs::{program, root},
    waiting::eventually,
};

/// Flags of `strata decide` that describe a function.
pub const FUNCTION_FLAGS: &str = "--application shop --function pay --avg-duration-ms 300 \
                                  --memory-mb 200 --rate 300 --steady --platform aws-lambda \
                                  --region eu-west-1 --memory 1024";

/// The exit status and the output of a program that has ended.
#[derive(Debug)]
pub struct Finished {
    /// The exit status.
    pub status: ExitStatus,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Finished {
    /// The exit code; none when a signal ended the program.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Standard output of a program that succeeded.
    ///
    /// # Panics
    /// When it failed; the message is all it wrote.
    pub fn expect_success(self) -> String {
        assert!(self.status.success(), "{}: {}", self.status, self.text());
        self.stdout
    }

    /// Everything the program wrote, standard output first.
    pub fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// A command of one of our programs. It gets none of the settings in the environment of the
/// tests, except the paths of ONNX Runtime and of the models.
///
/// # Panics
/// When the program was not built.
pub fn command(name: &str) -> Command {
    let mut command = Command::new(program(name));
    command.current_dir(root());
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let kept = text == "STRATA_ORT_LIB" || text.ends_with("_MODELS_DIR");
        if text.starts_with("STRATA_") && !kept {
            command.env_remove(&name);
        }
    }
    command
}

/// Runs the program `strata` to its end. `line` holds its arguments, separated by spaces.
///
/// # Panics
/// As [`finish`] does.
pub fn strata(line: &str) -> Finished {
    run("strata", line)
}

/// Runs the program `strata-bench` to its end. `line` holds its arguments, separated by spaces.
///
/// # Panics
/// As [`finish`] does.
pub fn strata_bench(line: &str) -> Finished {
    run("strata-bench", line)
}

fn run(program: &str, line: &str) -> Finished {
    let mut command = command(program);
    command.args(line.split_whitespace());
    finish(command)
}

/// Runs a command to its end, with nothing on standard input.
///
/// # Panics
/// When it cannot be started, or does not end in a minute: it is killed then.
pub fn finish(mut command: Command) -> Finished {
    let [out, err] = [(); 2].map(|()| NamedTempFile::new().expect("a file for the output"));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(out.reopen().expect("a handle for the output"))
        .stderr(err.reopen().expect("a handle for the errors"))
        .spawn()
        .expect("the program starts");
    let ended = catch_unwind(AssertUnwindSafe(|| {
        eventually("a program to end", || child.try_wait().expect("its state"))
    }));
    let status = ended.unwrap_or_else(|hung| {
        let _ = child.kill();
        let _ = child.wait();
        resume_unwind(hung)
    });
    let read = |file: &NamedTempFile| {
        let bytes = std::fs::read(file.path()).expect("the output");
        String::from_utf8_lossy(&bytes).into_owned()
    };
    Finished { status, stdout: read(&out), stderr: read(&err) }
}
