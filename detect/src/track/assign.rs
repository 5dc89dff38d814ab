//! Optimal assignment of rows to columns by shortest augmenting paths (Jonker and Volgenant 1987; the rectangular
//! form of Crouse 2016).

/// Pairs rows with columns so that the sum of costs of the pairs is least, counting `unmatched` for a row left alone.
/// A cost that is not finite forbids a pair. Returns the column of each row.
#[must_use]
pub fn assign(costs: &[Vec<f64>], columns: usize, unmatched: f64) -> Vec<Option<usize>> {
    let rows = costs.len();
    // Every row has a column of its own for staying alone, so a full assignment exists.
    let n = columns + rows;
    let cost = |row: usize, column: usize| {
        if column < columns {
            let c = costs[row][column];
            if c.is_finite() { c } else { f64::INFINITY }
        } else if column - columns == row {
            unmatched
        } else {
            f64::INFINITY
        }
    };
    let mut row_potential = vec![0.0; rows];
    let mut column_potential = vec![0.0; n];
    let mut row_of: Vec<Option<usize>> = vec![None; n];
    for start in 0..rows {
        let mut shortest = vec![f64::INFINITY; n];
        let mut from: Vec<usize> = vec![start; n];
        let mut done = vec![false; n];
        let (mut row, mut reached) = (start, 0.0);
        let mut path_rows = vec![start];
        let end = loop {
            let mut best: Option<usize> = None;
            for column in (0..n).filter(|c| !done[*c]).collect::<Vec<_>>() {
                let through = reached + cost(row, column) - row_potential[row] - column_potential[column];
                if through < shortest[column] {
                    shortest[column] = through;
                    from[column] = row;
                }
                if shortest[column].is_finite() && best.is_none_or(|b| shortest[column] < shortest[b]) {
                    best = Some(column);
                }
            }
            let Some(column) = best else { break None };
            reached = shortest[column];
            done[column] = true;
            match row_of[column] {
                None => break Some(column),
                Some(next) => {
                    row = next;
                    path_rows.push(next);
                }
            }
        };
        let Some(mut column) = end else { continue };
        row_potential[start] += reached;
        for c in (0..n).filter(|c| done[*c]) {
            if let Some(r) = row_of[c] {
                row_potential[r] += reached - shortest[c];
            }
            column_potential[c] -= reached - shortest[c];
        }
        loop {
            let r = from[column];
            let before = row_of.iter().position(|x| *x == Some(r));
            row_of[column] = Some(r);
            match before {
                Some(c) if r != start => column = c,
                _ => break,
            }
        }
    }
    let mut matched = vec![None; rows];
    for (column, row) in row_of.iter().enumerate().take(columns) {
        if let Some(row) = row {
            matched[*row] = Some(column);
        }
    }
    matched
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// All ways, for small sizes.
    fn least(costs: &[Vec<f64>], row: usize, taken: &mut Vec<bool>, unmatched: f64) -> f64 {
        if row == costs.len() {
            return 0.0;
        }
        let mut best = unmatched + least(costs, row + 1, taken, unmatched);
        for column in 0..taken.len() {
            if !taken[column] && costs[row][column].is_finite() {
                taken[column] = true;
                best = best.min(costs[row][column] + least(costs, row + 1, taken, unmatched));
                taken[column] = false;
            }
        }
        best
    }

    proptest! {
        #[test]
        fn as_good_as_trying_all(
            rows in 0usize..6, columns in 0usize..6,
            values in prop::collection::vec(prop_oneof![4 => 0.0f64..1.0, 1 => Just(f64::INFINITY)], 36)
        ) {
            let costs: Vec<Vec<f64>> = (0..rows).map(|r| (0..columns).map(|c| values[r * 6 + c]).collect()).collect();
            let found = assign(&costs, columns, 0.8);
            let mut used: Vec<_> = found.iter().flatten().collect();
            used.sort_unstable();
            let count = used.len();
            used.dedup();
            prop_assert_eq!(count, used.len(), "a column is used twice");
            let sum: f64 = found.iter().enumerate().map(|(r, c)| c.map_or(0.8, |c| costs[r][c])).sum();
            let best = least(&costs, 0, &mut vec![false; columns], 0.8);
            prop_assert!((sum - best).abs() < 1e-9, "{sum} against {best}");
        }
    }
}
