use super::*;

/// Lanes of items that are told apart by caller and number, each of the cost given.
fn lanes(quantum: usize, items: &[(u64, usize)]) -> Lanes<(u64, usize)> {
    let mut lanes = Lanes::new(quantum);
    for &(caller, cost) in items {
        lanes.push(caller, cost, (caller, cost));
    }
    lanes
}

fn take<T>(lanes: &mut Lanes<T>, most: usize) -> Vec<T> {
    let before = lanes.cost();
    let mut taken = Vec::new();
    let cost = lanes.take(most, &mut taken);
    assert_eq!(lanes.cost(), before - cost);
    taken
}

#[test]
fn items_of_cost_one_are_taken_round_robin() {
    let mut lanes = Lanes::new(1);
    for item in [10, 11, 12, 13] {
        lanes.push(1, 1, item);
    }
    lanes.push(2, 1, 20);
    lanes.push(2, 1, 21);
    lanes.push(3, 1, 30);
    assert_eq!(take(&mut lanes, 5), [10, 20, 30, 11, 21]);
    assert_eq!(take(&mut lanes, 5), [12, 13]);
    assert!(lanes.is_empty());
}

#[test]
fn turns_continue_from_one_call_to_the_next_whatever_is_taken_at_once() {
    for most in 1..=20 {
        for quantum in 1..=20 {
            let mut lanes = lanes(quantum, &[(1, 1); 400]);
            for _ in 0..100 {
                lanes.push(2, 1, (2, 1));
            }
            let mut of_first = 0;
            while lanes.cost_of(2) > 0 {
                of_first +=
                    take(&mut lanes, most).iter().filter(|(caller, _)| *caller == 1).count();
            }
            // As many as its own, and a turn and a call more at most.
            assert!(
                (100..=100 + quantum + most).contains(&of_first),
                "{most} {quantum}: {of_first}"
            );
        }
    }
}

#[test]
fn a_caller_that_has_been_the_only_one_owes_nothing_and_has_nothing_in_store() {
    let mut lanes = lanes(4, &[(1, 1); 40]);
    assert_eq!(take(&mut lanes, 10), [(1, 1); 10]);
    for _ in 0..8 {
        lanes.push(2, 1, (2, 1));
    }
    let turn = |caller| [(caller, 1); 4];
    assert_eq!(take(&mut lanes, 16), [turn(1), turn(2), turn(1), turn(2)].concat());
}

#[test]
fn a_turn_without_room_is_continued_and_not_begun_again() {
    let mut lanes = lanes(8, &[(1, 3), (1, 3), (1, 3), (2, 3), (2, 3), (2, 3)]);
    assert_eq!(take(&mut lanes, 4), [(1, 3)]);
    assert_eq!(take(&mut lanes, 4), [(1, 3)]);
    // Two of the eight are left, which is less than the third item.
    assert_eq!(take(&mut lanes, 4), [(2, 3)]);
    assert_eq!(take(&mut lanes, 7), [(2, 3), (1, 3)]);
    assert_eq!(take(&mut lanes, 7), [(2, 3)]);
}

#[test]
fn an_item_that_costs_more_than_a_turn_waits_for_credit_and_comes_alone() {
    let mut lanes = lanes(8, &[(1, 20), (2, 1), (2, 1)]);
    lanes.push(3, 8, (3, 8));
    assert_eq!(take(&mut lanes, 10), [(2, 1), (2, 1), (3, 8)]);
    // The only one left needs no credit, and is larger than the room.
    assert_eq!(take(&mut lanes, 10), [(1, 20)]);
    assert_eq!(take(&mut lanes, 10), []);
}

#[test]
fn costs_are_told_by_caller_and_ahead_of_another_item() {
    let mut lanes = lanes(8, &[(1, 16), (1, 16), (2, 3)]);
    assert_eq!(
        (lanes.cost(), lanes.cost_of(1), lanes.cost_of(2), lanes.cost_of(3)),
        (35, 32, 3, 0)
    );
    assert_eq!(lanes.ahead(1, 1), 32 + 3);
    assert_eq!(lanes.ahead(2, 2), 3 + 5);
    assert_eq!(lanes.ahead(3, 4), 4 + 3);
    let mut heads: Vec<_> = lanes.heads().copied().collect();
    heads.sort_unstable();
    assert_eq!(heads, [(1, 16), (2, 3)]);
    take(&mut lanes, 100);
    assert_eq!((lanes.cost(), lanes.cost_of(1)), (0, 0));
}

#[test]
fn nothing_is_taken_where_there_is_no_room() {
    let mut lanes = lanes(1, &[(1, 1)]);
    assert_eq!(take(&mut lanes, 0), []);
    assert_eq!(take(&mut lanes, 1), [(1, 1)]);
}
