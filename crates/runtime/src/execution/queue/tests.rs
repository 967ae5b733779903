use super::*;

const HOUR: Duration = Duration::from_secs(3600);

fn queue(options: ModelOptions) -> Queue {
    let runs = Arc::new(RunCounters::new(options.max_batch));
    Queue::new(&options, runs)
}

fn small() -> ModelOptions {
    ModelOptions { max_batch: 16, queue_rows: 1000, ..ModelOptions::default() }
}

/// A job whose answer nobody receives.
fn job(caller: u64, rows: usize, patience: Option<Duration>) -> Job {
    let enqueued = Instant::now();
    let deadlines = patience.map(|patience| vec![Some(enqueued + patience); rows]);
    let batch = Batch { rows, deadlines: deadlines.unwrap_or_default(), ..Batch::default() };
    Job { batch, caller, enqueued, answer: oneshot::channel().0 }
}

/// Callers and rows of the next run.
fn next(queue: &Queue) -> Vec<(u64, usize)> {
    let mut jobs = Vec::new();
    assert!(queue.take(&mut jobs));
    jobs.iter().map(|job| (job.caller, job.batch.rows)).collect()
}

/// A model that takes a millisecond for a run and nothing for its rows.
fn a_millisecond_each(queue: &Queue) {
    for _ in 0..32 {
        queue.runs.run_time().add(16, Duration::from_millis(1));
    }
}

#[test]
fn callers_take_turns_whatever_one_of_them_has_waiting() {
    let queue = queue(small());
    for _ in 0..400 {
        queue.push(job(1, 1, None)).unwrap();
    }
    for _ in 0..8 {
        queue.push(job(2, 1, None)).unwrap();
    }
    let first = next(&queue);
    assert_eq!(first.len(), 16);
    assert_eq!(first.iter().filter(|(caller, _)| *caller == 2).count(), 8);
    // The first caller is the only one again and fills whole runs.
    assert_eq!(next(&queue), [(1, 1); 16]);
    assert_eq!(queue.rows(), 400 - 8 - 16);
}

#[test]
fn callers_take_turns_in_runs_smaller_than_a_turn() {
    let queue = queue(ModelOptions { max_batch: 4, ..small() });
    for caller in [1, 2] {
        for _ in 0..16 {
            queue.push(job(caller, 1, None)).unwrap();
        }
    }
    let runs: Vec<_> = (0..4).flat_map(|_| next(&queue)).collect();
    assert_eq!(runs, [[(1, 1); QUANTUM], [(2, 1); QUANTUM]].concat());
}

#[test]
fn large_batches_of_one_caller_leave_the_small_ones_of_another_their_share() {
    let queue = queue(small());
    for _ in 0..20 {
        queue.push(job(1, 16, None)).unwrap();
    }
    for _ in 0..40 {
        queue.push(job(2, 1, None)).unwrap();
    }
    let mut rows_before = 0;
    let mut small_left = 40;
    while small_left > 0 {
        let run = next(&queue);
        assert!(run.iter().map(|(_, rows)| rows).sum::<usize>() <= 16, "{run:?}");
        small_left -= run.iter().filter(|(caller, _)| *caller == 2).count();
        rows_before += run.iter().filter(|(caller, _)| *caller == 1).map(|(_, r)| r).sum::<usize>();
    }
    // About as many rows as caller 2 has itself.
    assert!((16..=64).contains(&rows_before), "{rows_before}");
}

#[test]
fn one_caller_is_served_in_order_and_a_batch_that_is_too_large_comes_alone() {
    let queue = queue(small());
    for rows in [3, 20, 5, 16, 1] {
        queue.push(job(1, rows, None)).unwrap();
    }
    let runs: Vec<_> = (0..5).map(|_| next(&queue)).collect();
    assert_eq!(runs, [[(1, 3)], [(1, 20)], [(1, 5)], [(1, 16)], [(1, 1)]]);
    assert_eq!(queue.rows(), 0);
}

#[test]
fn a_caller_at_its_limit_is_refused_and_others_get_in() {
    let queue = queue(ModelOptions { queue_rows: 10, caller_rows: Some(5), ..small() });
    queue.push(job(1, 4, None)).unwrap();
    queue.push(job(1, 1, None)).unwrap();
    assert_eq!(queue.push(job(1, 1, None)), Err(InferError::CallerFull { limit: 5 }));
    // A caller's only batch may wait whatever its size.
    queue.push(job(2, 5, None)).unwrap();
    assert_eq!(queue.push(job(3, 1, None)), Err(InferError::QueueFull { limit: 10 }));
    next(&queue);
    queue.push(job(1, 4, None)).unwrap();
}

#[test]
fn a_job_that_would_be_late_is_refused_with_the_time_until_it_would_not() {
    let queue = queue(small());
    for _ in 0..10 {
        queue.push(job(1, 16, Some(HOUR))).unwrap();
    }
    // No run times are known yet, so nothing is refused.
    queue.push(job(1, 16, Some(Duration::from_micros(1)))).unwrap();
    a_millisecond_each(&queue);
    let late = queue.push(job(1, 1, Some(Duration::from_millis(5)))).unwrap_err();
    let (wait, retry_after) = (Duration::from_millis(12), Duration::from_millis(7));
    assert_eq!(late, InferError::WouldBeLate { wait, retry_after });
    queue.push(job(1, 1, Some(Duration::from_millis(13)))).unwrap();
    queue.push(job(1, 1, None)).unwrap();
    // Another caller's turn comes earlier.
    queue.push(job(2, 1, Some(Duration::from_millis(5)))).unwrap();
}

#[test]
fn nobody_is_refused_where_nothing_waits_or_a_row_has_time() {
    let queue = queue(small());
    a_millisecond_each(&queue);
    queue.push(job(1, 1, Some(Duration::from_micros(1)))).unwrap();
    let mut mixed = job(1, 2, Some(Duration::from_micros(1)));
    mixed.batch.deadlines[1] = None;
    queue.push(mixed).unwrap();
    // A deadline that has passed is no reason to refuse: the row expires without a run.
    queue.push(job(1, 1, Some(Duration::ZERO))).unwrap();
    assert!(queue.push(job(1, 1, Some(Duration::from_micros(1)))).is_err());
}

#[test]
fn a_run_that_is_full_waits_for_no_delay_and_one_that_is_not_for_all_of_it() {
    let queue = queue(ModelOptions { max_delay: HOUR, ..small() });
    for _ in 0..16 {
        queue.push(job(1, 1, None)).unwrap();
    }
    assert_eq!(next(&queue).len(), 16);
    let delay = Duration::from_millis(20);
    let queue = super::tests::queue(ModelOptions { max_delay: delay, ..small() });
    let started = Instant::now();
    queue.push(job(1, 1, None)).unwrap();
    assert_eq!(next(&queue).len(), 1);
    assert!(started.elapsed() >= delay);
}

#[test]
fn rows_of_many_positions_are_predicted_to_take_longer() {
    let queue = queue(small());
    for positions in [10, 100].repeat(16) {
        queue.runs.run_time().add(positions, Duration::from_micros(10 * positions as u64));
    }
    let row = |extent, patience| {
        let Job { batch, caller, enqueued, answer } = job(1, 1, patience);
        Job { batch: Batch { extents: vec![extent], ..batch }, caller, enqueued, answer }
    };
    queue.push(row(1000, None)).unwrap();
    // The row that waits takes about 10 ms, the second about a tenth of one.
    let patience = |ms| Some(Duration::from_millis(ms));
    assert!(matches!(queue.push(row(10, patience(8))), Err(InferError::WouldBeLate { .. })));
    queue.push(row(10, patience(13))).unwrap();
    assert!(matches!(queue.push(row(1000, patience(13))), Err(InferError::WouldBeLate { .. })));
    next(&queue);
    queue.push(row(10, None)).unwrap();
    queue.push(row(10, patience(8))).unwrap();
}
