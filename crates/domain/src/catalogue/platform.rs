//! Platforms: the function services of the providers, as far as estimates need to know them.

use std::{fmt, str::FromStr};

use crate::formulas::cold_start::ColdStarts;

/// A function service of a provider on one processor architecture.
#[derive(Debug, Clone, PartialEq)]
pub struct Platform {
    /// Its name: `aws-lambda`.
    pub name: String,
    /// The provider's name: `aws`.
    pub provider: String,
    /// The processors it runs functions on.
    pub architecture: Architecture,
    /// The memory sizes that are sold, smallest first.
    pub sizes: Vec<Size>,
    /// How processors are given to a running invocation.
    pub processors: Processors,
    /// Stretch of the part of a run that waits for anything but the processor; 1 is AWS Lambda.
    pub wait: f64,
    /// How an invocation is billed, whatever the region.
    pub billing: Billing,
    /// When instances are removed and how long a new one takes.
    pub cold_starts: ColdStarts,
    /// The longest run that is allowed, in ms; `None` without a limit.
    pub longest_run_ms: Option<f64>,
    /// What its machines draw and took to make.
    pub machines: Machines,
}

/// A processor architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Architecture {
    /// 64-bit x86.
    X86_64,
    /// 64-bit Arm.
    Arm64,
}

impl Architecture {
    /// Every architecture.
    pub const ALL: [Self; 2] = [Self::X86_64, Self::Arm64];

    /// `x86_64` or `arm64`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "arm64",
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The text is no architecture.
#[derive(Debug, thiserror::Error)]
#[error("unknown architecture `{0}`; known are x86_64 and arm64")]
pub struct UnknownArchitecture(String);

impl FromStr for Architecture {
    type Err = UnknownArchitecture;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = Self::ALL.into_iter().find(|architecture| architecture.name() == text);
        named.ok_or_else(|| UnknownArchitecture(text.to_owned()))
    }
}

/// What a platform gives and bills for a memory size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Size {
    /// Memory of the size, in MB.
    pub memory_mb: u32,
    /// Processors that go with it, in vCPUs.
    pub vcpus: f64,
    /// Stretch of the part of a run that waits for the processor; 1 is AWS Lambda at 2048 MB.
    pub slowdown: f64,
    /// Memory that is billed, in MB: more than `memory_mb` where the platform sells no such size.
    pub billed_mb: f64,
}

/// What a platform and a memory size do to a run: the stretch of its two parts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speed {
    /// Of the part that waits for the processor.
    pub cpu: f64,
    /// Of the part that waits for everything else.
    pub wait: f64,
}

/// How processors are given to a running invocation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Processors {
    /// Each has those of its memory size.
    OfSize,
    /// Several run at once on one core of an instance with that much memory; each counts for the
    /// share of the memory that is billed, and may use the whole core.
    Shared {
        /// Memory of the instance, in MB.
        instance_mb: f64,
    },
}

/// The memory that is billed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum BilledMemory {
    /// What is configured.
    Configured,
    /// What is used, in steps: at least one, at most `most_mb`.
    Used {
        /// The step in MB.
        step_mb: f64,
        /// The most that is billed, in MB.
        most_mb: f64,
    },
}

/// How an invocation is billed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Billing {
    /// Which memory.
    pub memory: BilledMemory,
    /// A run is rounded up to a multiple of this many ms.
    pub rounding_ms: f64,
    /// At least this many ms are billed; 0 without a minimum.
    pub minimum_ms: f64,
}

/// What a platform charges in a region.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// USD per request.
    pub request_usd: f64,
    /// USD per GB-second of billed memory.
    pub gb_second_usd: f64,
    /// USD per vCPU-second; 0 where processors are part of the price of memory.
    pub vcpu_second_usd: f64,
}

/// What a platform's machines draw and what they took to make.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Machines {
    /// Watts per vCPU when idle.
    pub idle_watts: f64,
    /// Watts per vCPU at full load.
    pub full_watts: f64,
    /// gCO2e for making the server, per vCPU and hour of its life.
    pub embodied_g_per_vcpu_hour: f64,
}

impl Platform {
    /// What it gives and bills for `memory_mb`, whether or not it sells that size: between two
    /// sizes, all figures are interpolated (the stretch by the logarithms); beyond the last ones,
    /// they are those of the nearest size, with processors in proportion.
    pub fn size(&self, memory_mb: u32) -> Size {
        let above = self.sizes.iter().position(|size| size.memory_mb >= memory_mb);
        let scaled = |nearest: &Size| {
            let factor = f64::from(memory_mb.max(1)) / f64::from(nearest.memory_mb);
            let (vcpus, billed_mb) = (nearest.vcpus * factor, nearest.billed_mb * factor);
            Size { memory_mb, vcpus, billed_mb, ..*nearest }
        };
        let (low, high) = match above {
            Some(index) if self.sizes[index].memory_mb == memory_mb => return self.sizes[index],
            Some(0) => return scaled(&self.sizes[0]),
            Some(index) => (&self.sizes[index - 1], &self.sizes[index]),
            None => return scaled(&self.sizes[self.sizes.len() - 1]),
        };
        let span = f64::from(high.memory_mb) / f64::from(low.memory_mb);
        let part = (f64::from(memory_mb) / f64::from(low.memory_mb)).ln() / span.ln();
        let linear =
            f64::from(memory_mb - low.memory_mb) / f64::from(high.memory_mb - low.memory_mb);
        let between = |low: f64, high: f64| low + (high - low) * linear;
        Size {
            memory_mb,
            vcpus: between(low.vcpus, high.vcpus),
            slowdown: low.slowdown * (high.slowdown / low.slowdown).powf(part),
            billed_mb: between(low.billed_mb, high.billed_mb),
        }
    }

    /// The smallest size that holds `used_mb`; the largest when none does.
    pub fn smallest_holding(&self, used_mb: f64) -> &Size {
        let holds = |size: &&Size| f64::from(size.memory_mb) >= used_mb;
        self.sizes.iter().find(holds).unwrap_or(&self.sizes[self.sizes.len() - 1])
    }

    /// What a size does to a run.
    pub fn speed(&self, size: &Size) -> Speed {
        Speed { cpu: size.slowdown, wait: self.wait }
    }
}
