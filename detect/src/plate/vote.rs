//! Several looks at a plate, one answer.
//!
//! Looks are first sorted into heaps by their texts: a track that passes from one vehicle to another brings looks of two
//! plates, and those must not be mixed. Within the heaviest heap each character is voted for on its own: looks are aligned
//! to the one that leads (a look may miss a character), and the odds of each place are averaged geometrically, each look
//! with its weight. Looks that agree are worth more than one, but less than their number, because their errors are alike.

use stopline_types::{PlateAlternative, PlateColour, PlateDoubt, PlateEdit, PlateRead, PlateSeen, VehicleClass};

use super::{Grammar, Seen};
use crate::inference::CharacterOdds;

/// Looks whose texts differ in no more characters are of one plate.
const SAME_PLATE: usize = 3;
/// Share of the weight that the heaviest heap must have, or the looks disagree.
const AGREED: f32 = 0.7;
/// Odds below this count as this: one look that is wrong beyond doubt must not overrule all others.
const LEAST_ODDS: f32 = 1e-3;
/// What each look beyond the first adds to the sharpness of the vote, and the most of it.
const EACH_ADDS: f32 = 0.3;
const MOST_SHARPENED: f32 = 2.0;
/// Texts followed side by side, and characters tried at each place.
const BEAM: usize = 32;
const TRIED: usize = 4;
/// Looks that agree sharpen the odds more than they should where all make the same error: what several looks say must be so
/// much less unlikely to be wrong.
const SEVERAL: f64 = 1.0 / 3.0;
/// Share of the weight from looks at what may be a neighbour's plate that makes the answer doubtful.
const ANOTHERS: f32 = 0.5;
/// Alternatives given out.
const ALTERNATIVES: usize = 3;
/// A text of a kind is taken instead of the likeliest, which is of none, from this share of its likelihood on.
const WORTH_TAKING: f64 = 0.01;
/// An alternative of a kind from this share of the text's likelihood on makes it unsure.
const CLOSE: f64 = 0.3;
/// Fewer characters are no plate.
const LEAST_CHARACTERS: usize = 4;
/// A text less likely than this says nothing of the plate: it is not told even as unsure.
const LEGIBLE: f64 = 0.02;
/// Stands in an edit for a character that was not there or was left out.
const NOTHING: char = '_';

/// What was read of a plate in one picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// Place by place.
    pub odds: Vec<CharacterOdds>,
    /// Lines of text, if told.
    pub lines: Option<u8>,
    /// Background, if told.
    pub colour: Option<PlateColour>,
    /// What its vote counts: larger and sharper pictures more. Above 0.
    pub weight: f32,
    /// Where and when.
    pub seen: Option<PlateSeen>,
    /// The plate may be a neighbour's.
    pub doubtful: bool,
}

impl Look {
    /// The likeliest text.
    #[must_use]
    pub fn text(&self) -> String {
        self.odds.iter().filter_map(|odds| CharacterOdds::character(odds.best().0)).collect()
    }

    /// That all of the likeliest text is right, 0 to 1.
    #[must_use]
    pub fn confidence(&self) -> f64 {
        self.odds.iter().map(|odds| f64::from(odds.best().1)).product()
    }

    fn counts(&self) -> f32 {
        // A look that is hardly sure of anything still has a voice.
        self.weight.max(1e-3) * (0.05 + self.confidence() as f32)
    }
}

/// The answer of `looks` at the plate of one vehicle; `None` when none of them shows characters that can be
/// told. A text is sure from the
/// confidence `sure_above` on, if nothing speaks against it.
#[must_use]
pub fn vote(looks: &[Look], grammar: &Grammar, class: Option<VehicleClass>, sure_above: f64) -> Option<PlateRead> {
    let legible: Vec<&Look> = looks.iter().filter(|look| look.text().len() >= LEAST_CHARACTERS).collect();
    let heaps = heaps(&legible);
    let heaviest = heaps.first()?;
    let weight = |heap: &[&Look]| heap.iter().map(|look| look.counts()).sum::<f32>();
    let share = weight(heaviest) / heaps.iter().map(|heap| weight(heap)).sum::<f32>();
    let lead = lead(heaviest)?;
    let columns = pooled(lead, heaviest);
    let texts = likeliest(&columns);
    let raw = texts.first().filter(|likeliest| likeliest.likelihood >= LEGIBLE)?;
    let seen = Seen { colour: most(heaviest, |look| look.colour), lines: most(heaviest, |look| look.lines), class };
    let (chosen, ambiguous) = choose(raw, &texts, grammar, &columns);
    let resolved = grammar.resolve(&chosen.text, seen);

    let others = texts.iter().filter(|text| text.text != chosen.text);
    let valid = |text: &&Spelling| !grammar.kinds(&text.text).is_empty();
    let mut alternatives: Vec<&Spelling> = others.clone().filter(valid).take(ALTERNATIVES).collect();
    alternatives.extend(others.filter(|text| !valid(text)).take(ALTERNATIVES - alternatives.len()));
    let close = alternatives.iter().filter(|a| valid(a)).any(|a| a.likelihood > CLOSE * chosen.likelihood);

    let mut doubts = Vec::new();
    let mut doubt = |holds: bool, what: PlateDoubt| {
        if holds {
            doubts.push(what);
        }
    };
    let several = heaviest.len() > 1;
    let bar = if several { 1.0 - (1.0 - sure_above) * SEVERAL } else { sure_above };
    doubt(chosen.likelihood < bar, PlateDoubt::LowConfidence);
    doubt(resolved.kinds.is_empty(), PlateDoubt::NoKind);
    doubt(ambiguous || close, PlateDoubt::CloseAlternative);
    doubt(share < AGREED, PlateDoubt::ReadsDisagree);
    doubt(!resolved.colour_fits, PlateDoubt::Colour);
    let doubtful: f32 = heaviest.iter().filter(|look| look.doubtful).map(|look| look.counts()).sum();
    doubt(doubtful > ANOTHERS * weight(heaviest), PlateDoubt::Neighbour);

    let mut alternatives: Vec<PlateAlternative> = alternatives
        .into_iter()
        .map(|spelling| PlateAlternative { text: spelling.text.clone(), confidence: rounded(spelling.likelihood) })
        .collect();
    // The other plate of a track that changed vehicles is what an officer must see first.
    if let Some(other) = heaps.get(1).filter(|_| share < AGREED).and_then(|heap| self::lead(heap)) {
        alternatives.insert(0, PlateAlternative { text: other.text(), confidence: rounded(other.confidence()) });
        alternatives.truncate(ALTERNATIVES);
    }
    Some(PlateRead {
        confidence: rounded(chosen.likelihood),
        sure: doubts.is_empty(),
        doubts,
        display: resolved.display,
        kinds: resolved.kinds,
        kind: resolved.kind,
        colour: seen.colour,
        lines: seen.lines,
        province: resolved.province,
        raw: raw.text.clone(),
        edits: edits(&raw.choice, &chosen.choice),
        characters: chosen.characters(&columns),
        alternatives,
        class_mismatch: resolved.class_mismatch,
        reads: u32::try_from(heaviest.len()).unwrap_or(u32::MAX),
        seen: lead.seen,
        text: chosen.text,
        model: String::new(),
    })
}

/// Looks of one plate together, the heaviest heap first.
fn heaps<'a>(looks: &[&'a Look]) -> Vec<Vec<&'a Look>> {
    let mut sorted: Vec<&Look> = looks.to_vec();
    sorted.sort_by(|a, b| b.counts().total_cmp(&a.counts()));
    let mut heaps: Vec<Vec<&Look>> = Vec::new();
    for look in sorted {
        match heaps.iter_mut().find(|heap| distance(&heap[0].text(), &look.text()) <= SAME_PLATE) {
            Some(heap) => heap.push(look),
            None => heaps.push(vec![look]),
        }
    }
    let weight = |heap: &Vec<&Look>| heap.iter().map(|look| look.counts()).sum::<f32>();
    heaps.sort_by(|a, b| weight(b).total_cmp(&weight(a)));
    heaps
}

/// The heaviest look of the length that most of the weight has.
fn lead<'a>(heap: &[&'a Look]) -> Option<&'a Look> {
    let mut by_length = [0.0f32; 64];
    for look in heap {
        by_length[look.text().len().min(63)] += look.counts();
    }
    let length = (0..64).max_by(|a, b| by_length[*a].total_cmp(&by_length[*b]))?;
    let of_length = heap.iter().filter(|look| look.text().len().min(63) == length);
    of_length.max_by(|a, b| a.counts().total_cmp(&b.counts())).copied()
}

/// The odds of each place of `lead`, averaged over all looks.
fn pooled(lead: &Look, looks: &[&Look]) -> Vec<CharacterOdds> {
    let total: f32 = looks.iter().map(|look| look.counts()).sum();
    let squares: f32 = looks.iter().map(|look| look.counts().powi(2)).sum();
    let worth = if squares > 0.0 { total * total / squares } else { 1.0 };
    let sharpened = (1.0 + EACH_ADDS * (worth - 1.0)).clamp(1.0, MOST_SHARPENED);
    let mut logs = vec![[0.0f32; 37]; lead.odds.len()];
    for look in looks {
        let share = look.counts() / total;
        for (log, partner) in logs.iter_mut().zip(aligned(&lead.odds, &look.odds)) {
            let odds = partner.unwrap_or_else(absent);
            log.iter_mut().zip(odds.0).for_each(|(log, p)| *log += share * p.max(LEAST_ODDS).ln());
        }
    }
    if looks.len() == 1 {
        return lead.odds.clone();
    }
    let pool = |log: [f32; 37]| {
        let powers = log.map(|v| (sharpened * v).exp());
        let sum: f32 = powers.iter().sum();
        CharacterOdds(powers.map(|p| p / sum))
    };
    logs.into_iter().map(pool).collect()
}

/// What a look says of a place it does not have.
fn absent() -> CharacterOdds {
    let mut odds = [0.1 / 36.0; 37];
    odds[CharacterOdds::NONE] = 0.9;
    CharacterOdds(odds)
}

/// For each place of `lead` the place of `look` that stands for it, by the alignment that costs least: two places cost what
/// they disagree, a place without partner what it is surely a character.
fn aligned(lead: &[CharacterOdds], look: &[CharacterOdds]) -> Vec<Option<CharacterOdds>> {
    let alone = |odds: &CharacterOdds| 1.0 - odds.0[CharacterOdds::NONE];
    let apart = |a: &CharacterOdds, b: &CharacterOdds| 1.0 - a.0.iter().zip(b.0).map(|(p, q)| p * q).sum::<f32>();
    let (n, m) = (lead.len(), look.len());
    let mut cost = vec![vec![0.0f32; m + 1]; n + 1];
    for i in 0..=n {
        for j in 0..=m {
            cost[i][j] = match (i, j) {
                (0, 0) => 0.0,
                (_, 0) => cost[i - 1][0] + alone(&lead[i - 1]),
                (0, _) => cost[0][j - 1] + alone(&look[j - 1]),
                _ => (cost[i - 1][j - 1] + apart(&lead[i - 1], &look[j - 1]))
                    .min(cost[i - 1][j] + alone(&lead[i - 1]))
                    .min(cost[i][j - 1] + alone(&look[j - 1])),
            };
        }
    }
    let mut partners = vec![None; n];
    let (mut i, mut j) = (n, m);
    while i > 0 && j > 0 {
        if cost[i][j] >= cost[i - 1][j - 1] + apart(&lead[i - 1], &look[j - 1]) - 1e-6 {
            partners[i - 1] = Some(look[j - 1]);
            (i, j) = (i - 1, j - 1);
        } else if cost[i][j] >= cost[i - 1][j] + alone(&lead[i - 1]) - 1e-6 {
            i -= 1;
        } else {
            j -= 1;
        }
    }
    partners
}

/// A text with the character chosen at each place.
#[derive(Debug, Clone)]
struct Spelling {
    text: String,
    choice: Vec<usize>,
    likelihood: f64,
}

impl Spelling {
    fn of(choice: Vec<usize>, columns: &[CharacterOdds]) -> Self {
        let likelihood = choice.iter().zip(columns).map(|(class, odds)| f64::from(odds.0[*class])).product();
        Self { text: choice.iter().filter_map(|class| CharacterOdds::character(*class)).collect(), choice, likelihood }
    }

    fn characters(&self, columns: &[CharacterOdds]) -> Vec<f64> {
        let all = self.choice.iter().zip(columns).filter(|(class, _)| **class != CharacterOdds::NONE);
        all.map(|(class, odds)| rounded(f64::from(odds.0[*class]))).collect()
    }
}

/// The likeliest texts, each once, the likeliest first.
fn likeliest(columns: &[CharacterOdds]) -> Vec<Spelling> {
    let mut beam: Vec<(f64, Vec<usize>)> = vec![(1.0, Vec::new())];
    for odds in columns {
        let mut classes: Vec<usize> = (0..odds.0.len()).collect();
        classes.sort_by(|a, b| odds.0[*b].total_cmp(&odds.0[*a]));
        let next = beam.iter().flat_map(|(likelihood, choice)| {
            classes[..TRIED]
                .iter()
                .map(move |class| (likelihood * f64::from(odds.0[*class]), [&choice[..], &[*class]].concat()))
        });
        let mut next: Vec<_> = next.collect();
        next.sort_by(|a, b| b.0.total_cmp(&a.0));
        next.truncate(BEAM);
        beam = next;
    }
    let mut texts: Vec<Spelling> = Vec::new();
    for (_, choice) in beam {
        let spelling = Spelling::of(choice, columns);
        if !texts.iter().any(|known| known.text == spelling.text) {
            texts.push(spelling);
        }
    }
    texts
}

/// The likeliest text if it is of a kind; else what it may have been: by the reader's own next choices, or by the repairs of
/// the grammar. True when several repairs are as good as one another.
fn choose(raw: &Spelling, texts: &[Spelling], grammar: &Grammar, columns: &[CharacterOdds]) -> (Spelling, bool) {
    if !grammar.kinds(&raw.text).is_empty() {
        return (raw.clone(), false);
    }
    let of_a_kind = texts.iter().find(|text| !grammar.kinds(&text.text).is_empty());
    if let Some(next) = of_a_kind.filter(|text| text.likelihood >= WORTH_TAKING * raw.likelihood) {
        return (next.clone(), false);
    }
    let repaired = grammar.repair(&raw.text);
    let Some(first) = repaired.first() else { return (raw.clone(), false) };
    let mut choice = raw.choice.clone();
    let mut characters = first.text.chars();
    for class in choice.iter_mut().filter(|class| **class != CharacterOdds::NONE) {
        *class = characters.next().and_then(CharacterOdds::index).unwrap_or(*class);
    }
    (Spelling::of(choice, columns), repaired.len() > 1)
}

/// What differs, by position in the chosen text (for a character left out: where it would stand).
fn edits(raw: &[usize], chosen: &[usize]) -> Vec<PlateEdit> {
    let mut position = 0;
    let mut found = Vec::new();
    for (from, to) in raw.iter().zip(chosen) {
        let shown = |class: usize| CharacterOdds::character(class).unwrap_or(NOTHING);
        if from != to {
            found.push(PlateEdit { position, from: shown(*from), to: shown(*to) });
        }
        position += usize::from(*to != CharacterOdds::NONE);
    }
    found
}

/// What most of the weight says.
fn most<T: PartialEq + Copy>(looks: &[&Look], of: impl Fn(&Look) -> Option<T>) -> Option<T> {
    let mut votes: Vec<(T, f32)> = Vec::new();
    for look in looks {
        let Some(value) = of(look) else { continue };
        match votes.iter_mut().find(|(known, _)| *known == value) {
            Some((_, weight)) => *weight += look.counts(),
            None => votes.push((value, look.counts())),
        }
    }
    let total: f32 = votes.iter().map(|(_, weight)| weight).sum();
    let (value, weight) = votes.into_iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
    (weight > 0.6 * total).then_some(value)
}

/// Edit distance (Levenshtein) of two short texts.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let best = (diagonal + usize::from(x != y)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], best);
        }
    }
    row[b.len()]
}

/// To four digits after the point: enough for people, alike on every machine.
fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

#[cfg(test)]
#[path = "vote_tests.rs"]
mod tests;
