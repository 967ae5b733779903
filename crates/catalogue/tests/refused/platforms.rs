//! Platforms: sizes, processors, billing rules, cold starts.

use crate::assert_refused;

#[test]
fn platforms() {
    assert_refused(&[
        (
            "platforms: {aws-lambda: {memory_mb: []}}",
            "platforms.aws-lambda.memory_mb",
            "at least one size",
        ),
        (
            "platforms: {aws-lambda: {memory_mb: [0, 128]}}",
            "platforms.aws-lambda.memory_mb",
            "above 0",
        ),
        (
            "platforms: {aws-lambda: {memory_mb: [256, 128]}}",
            "platforms.aws-lambda.memory_mb",
            "128 follows 256",
        ),
        (
            "platforms: {aws-lambda: {memory_mb: [128, 128]}}",
            "platforms.aws-lambda.memory_mb",
            "must ascend",
        ),
        (
            "platforms: {aws-lambda: {memory_mb: [128, 2000000]}}",
            "platforms.aws-lambda.memory_mb",
            "at most 1048576, is 2000000",
        ),
        (
            "platforms: {aws-lambda: {memory_mb: {min: 128, max: 256, step: 0}}}",
            "platforms.aws-lambda.memory_mb",
            "a step above 0",
        ),
        (
            "platforms: {aws-lambda: {memory_mb: {min: 256, max: 128, step: 64}}}",
            "platforms.aws-lambda.memory_mb",
            "min at most max",
        ),
        (
            "platforms: {aws-lambda: {processors: {vcpus: {128: 0}}}}",
            "platforms.aws-lambda.processors.vcpus.128",
            "is 0",
        ),
        (
            "platforms: {aws-lambda: {processors: {vcpus: {0: 1.0}}}}",
            "platforms.aws-lambda.processors.vcpus.0",
            "no memory size is 0",
        ),
        (
            "platforms: {aws-lambda: {processors: {vcpus: {2048: 2000}}}}",
            "platforms.aws-lambda.processors.vcpus.2048",
            "to 1024, is 2000",
        ),
        (
            "platforms: {aws-lambda: {memory_mb: [128, 1048576], processors: {vcpus: {3008: 10}}}}",
            "platforms.aws-lambda.processors.vcpus",
            "for 1048576 MB; at most 1024",
        ),
        (
            "platforms: {aws-lambda: {processors: {shared_instance_mb: 0}}}",
            "platforms.aws-lambda.processors.shared_instance_mb",
            "above 0",
        ),
        (
            "platforms: {aws-lambda: {slowdown: {cpu: {3008: 0}}}}",
            "platforms.aws-lambda.slowdown.cpu.3008",
            "must be 0.01 to 1000",
        ),
        (
            "platforms: {aws-lambda: {slowdown: {cpu: {3008: 2.0}}}}",
            "platforms.aws-lambda.slowdown.cpu.3008",
            "is 2, slower than 1 at 2048 MB",
        ),
        (
            "platforms: {aws-lambda: {slowdown: {wait: -1}}}",
            "platforms.aws-lambda.slowdown.wait",
            "is -1",
        ),
        (
            "platforms: {aws-lambda: {longest_run_s: 0}}",
            "platforms.aws-lambda.longest_run_s",
            "above 0",
        ),
        (
            "platforms: {aws-lambda: {machines: {idle_watts: -1}}}",
            "platforms.aws-lambda.machines.idle_watts",
            "must be 0 to 1000",
        ),
        (
            "platforms: {aws-lambda: {machines: {full_watts: 5000}}}",
            "platforms.aws-lambda.machines.full_watts",
            "must be 0 to 1000",
        ),
        (
            "platforms: {aws-lambda: {machines: {full_watts: 0.5}}}",
            "platforms.aws-lambda.machines.full_watts",
            "at least idle_watts, 0.74",
        ),
        (
            "platforms: {aws-lambda: {machines: {embodied_g_per_vcpu_hour: .inf}}}",
            "platforms.aws-lambda.machines.embodied_g_per_vcpu_hour",
            "is inf",
        ),
        (
            "platforms: {aws-lambda: {regions: {mars-north-1: {}}}}",
            "platforms.aws-lambda.regions.mars-north-1",
            "no region `aws/mars-north-1`",
        ),
        (
            "platforms: {aws-lambda: {regions: {us-east4: {}}}}",
            "platforms.aws-lambda.regions.us-east4",
            "did you mean `aws/us-east-1`?",
        ),
        (
            "platforms: {aws-lambda: {regions: {us-east-1: null, us-west-2: null, \
             eu-west-1: null, ap-southeast-1: null}}}",
            "platforms.aws-lambda.regions",
            "it is sold nowhere",
        ),
    ]);
}

#[test]
fn billing_and_cold_starts() {
    const REMOVED: &str = "platforms.aws-lambda.cold_start.removed";
    assert_refused(&[
        (
            "platforms: {aws-lambda: {billing: {rounding_ms: 0}}}",
            "platforms.aws-lambda.billing.rounding_ms",
            "above 0",
        ),
        (
            "platforms: {aws-lambda: {billing: {minimum_ms: -5}}}",
            "platforms.aws-lambda.billing.minimum_ms",
            "is -5",
        ),
        (
            "platforms: {aws-lambda: {billing: {billed_mb: {128: 0}}}}",
            "platforms.aws-lambda.billing.billed_mb.128",
            "above 0",
        ),
        (
            "platforms: {aws-lambda: {billing: {used_step_mb: 128}}}",
            "platforms.aws-lambda.billing.used_step_mb",
            "no meaning without `memory: used`",
        ),
        (
            "platforms: {azure-functions-consumption: {billing: {used_step_mb: null}}}",
            "platforms.azure-functions-consumption.billing.used_step_mb",
            "must be given",
        ),
        (
            "platforms: {azure-functions-consumption: {billing: {used_step_mb: 0}}}",
            "platforms.azure-functions-consumption.billing.used_step_mb",
            "above 0",
        ),
        (
            "platforms: {azure-functions-consumption: {billing: {used_most_mb: 64}}}",
            "platforms.azure-functions-consumption.billing.used_most_mb",
            "at least used_step_mb, 128",
        ),
        (
            "platforms: {aws-lambda: {cold_start: {mean_ms: 0}}}",
            "platforms.aws-lambda.cold_start.mean_ms",
            "above 0",
        ),
        (
            "platforms: {aws-lambda: {cold_start: {median_ms: -3}}}",
            "platforms.aws-lambda.cold_start.median_ms",
            "is -3",
        ),
        (
            "platforms: {aws-lambda: {cold_start: {p95_ms: 1.0e9}}}",
            "platforms.aws-lambda.cold_start.p95_ms",
            "at most 86400000",
        ),
        (
            "platforms: {aws-lambda: {cold_start: {p95_ms: 100}}}",
            "platforms.aws-lambda.cold_start.p95_ms",
            "at least the median, 240",
        ),
        ("platforms: {aws-lambda: {cold_start: {removed: []}}}", REMOVED, "[[525600, 1]] is never"),
        (
            "platforms: {aws-lambda: {cold_start: {removed: [[4, 0.5]]}}}",
            REMOVED,
            "must add up to 1, are 0.5",
        ),
        (
            "platforms: {aws-lambda: {cold_start: {removed: [[6, 0.5], [4, 0.5]]}}}",
            REMOVED,
            "minutes must ascend",
        ),
        (
            "platforms: {aws-lambda: {cold_start: {removed: [[0, 0.5], [4, 0.5]]}}}",
            "platforms.aws-lambda.cold_start.removed[0][0]",
            "above 0",
        ),
        (
            "platforms: {aws-lambda: {cold_start: {removed: [[2, -0.5], [4, 0.75], [5, 0.75]]}}}",
            "platforms.aws-lambda.cold_start.removed[0][1]",
            "must be 0 to 1, is -0.5",
        ),
    ]);
}
