//! Questions that no intent covers → groups of alike ones.
//!
//! Alike are questions whose static vectors have a cosine of at least 0.45, without what most texts have in
//! common: the middle of the general evidence's references, and the directions in which they differ most, which tell languages and
//! turns of phrase apart and not subjects (Mu and Viswanath 2018, "All-but-the-Top"). The question with the most
//! alike ones makes the first group with them, of the rest the one with the most the second, and so on (Taylor 1995;
//! Butina 1999): the same groups each time, in whatever order they came.

use std::cmp::Reverse;
use std::collections::HashMap;

use nalgebra::{DMatrix, DVector};
use tokio::task::block_in_place;

use crate::embed::{EmbedError, Embedder};
use crate::journal::read::Told;
use crate::text::normalise;
use crate::verdict::Stage;

/// The cosine from which two questions are alike.
const ALIKE: f32 = 0.45;
/// So many directions are taken out. Measured on the shipped intents: of the third that falls into groups, 59 % fall
/// into one with their own intent's; with none taken out, 50 % of as many.
const COMMON: usize = 10;
/// Fewer are no group.
const FEWEST: u64 = 3;
/// Different questions that are looked at: the newest.
const MOST: usize = 5000;
/// Rows that are looked at to find them.
const MOST_ROWS: u64 = 100_000;
/// Examples of a group.
const EXAMPLES: usize = 5;
/// Every so many references say where their middle is.
const STEP: usize = 2;
/// So many are compared with all others at a time: the products of a block stay in the cache.
const BLOCK: usize = 128;

/// A question, however often it was asked.
#[derive(Clone, Debug)]
pub struct Question {
    /// The newest time that it was asked.
    pub told: Told,
    /// How often it was asked.
    pub count: u64,
    /// How often it was or would have been rejected; else it was forwarded since it was unclear.
    pub rejected: u64,
    read: String,
}

/// Different questions, the newest first.
#[derive(Clone, Debug, Default)]
pub struct Questions {
    list: Vec<Question>,
    places: HashMap<String, usize>,
    rows: u64,
}

/// Questions that are alike.
#[derive(Clone, Debug)]
pub struct Group {
    /// How many were asked.
    pub count: u64,
    /// How many different ones.
    pub different: usize,
    /// How many of them were or would have been rejected.
    pub rejected: u64,
    /// The likeliest intent of most of them.
    pub nearest: Option<String>,
    /// The most typical ones, the one in the middle first.
    pub examples: Vec<Question>,
}

impl Questions {
    /// Adds what was told of one; false when no more are wanted.
    pub fn add(&mut self, told: Told) -> bool {
        self.rows += 1;
        let Some(text) = &told.question else {
            return true;
        };
        let read = normalise(text).into_owned();
        let rejected = u64::from(told.decision == "reject" || told.waived.is_some());
        match self.places.get(&read) {
            Some(place) => {
                self.list[*place].count += 1;
                self.list[*place].rejected += rejected;
            }
            None => {
                self.places.insert(read.clone(), self.list.len());
                self.list.push(Question {
                    told,
                    count: 1,
                    rejected,
                    read,
                });
            }
        }
        self.list.len() < MOST && self.rows < MOST_ROWS
    }

    /// Each once.
    pub fn into_list(self) -> Vec<Question> {
        self.list
    }

    /// The groups, the biggest first.
    ///
    /// # Errors
    /// The model's.
    pub async fn groups(self, embedder: &Embedder) -> Result<Vec<Group>, EmbedError> {
        let own = self.list.iter().map(|question| question.read.clone());
        let own = vectors(embedder, own).await?;
        // A model that stands alone has nothing to say of other texts than these.
        let middle = match embedder.general() {
            Some(general) => {
                let references = general.references().iter().map(|(_, text)| text.clone());
                vectors(embedder, references.step_by(STEP)).await?
            }
            None => own.clone(),
        };
        let counts: Vec<_> = self.list.iter().map(|question| question.count).collect();
        let groups = block_in_place(|| grouped(&Common::of(middle).taken_out(own), &counts));
        Ok(groups.into_iter().map(|group| self.group(&group)).collect())
    }

    fn group(&self, members: &[usize]) -> Group {
        let members: Vec<_> = members.iter().map(|member| &self.list[*member]).collect();
        let mut nearest: HashMap<&str, u64> = HashMap::new();
        for member in &members {
            if let Some(intent) = &member.told.nearest {
                *nearest.entry(intent).or_default() += member.count;
            }
        }
        let nearest = nearest
            .into_iter()
            .max_by_key(|(intent, count)| (*count, Reverse(*intent)));
        Group {
            count: members.iter().map(|member| member.count).sum(),
            different: members.len(),
            rejected: members.iter().map(|member| member.rejected).sum(),
            nearest: nearest.map(|(intent, _)| intent.to_owned()),
            examples: members.into_iter().take(EXAMPLES).cloned().collect(),
        }
    }
}

/// The static vectors of texts, in order.
async fn vectors(
    embedder: &Embedder,
    texts: impl Iterator<Item = String>,
) -> Result<Vec<Vec<f32>>, EmbedError> {
    let mut vectors = Vec::new();
    for text in texts {
        let embedding = embedder.embed(text, Stage::Static).await?;
        vectors.push(embedding.vectors.into_vec());
    }
    Ok(vectors)
}

/// What most texts have in common.
struct Common {
    middle: DVector<f32>,
    /// A column each, orthonormal.
    directions: DMatrix<f32>,
}

impl Common {
    fn of(texts: Vec<Vec<f32>>) -> Common {
        let mut columns = matrix(texts);
        let middle = columns.column_mean();
        around(&mut columns, &middle);
        let eigen = (&columns * columns.transpose()).symmetric_eigen();
        let mut order: Vec<_> = (0..eigen.eigenvalues.len()).collect();
        order.sort_by(|a, b| eigen.eigenvalues[*b].total_cmp(&eigen.eigenvalues[*a]));
        order.truncate(COMMON);
        Common {
            directions: eigen.eigenvectors.select_columns(&order),
            middle,
        }
    }

    /// A column a vector without it, of unit length.
    fn taken_out(&self, vectors: Vec<Vec<f32>>) -> DMatrix<f32> {
        let mut columns = matrix(vectors);
        around(&mut columns, &self.middle);
        let along = self.directions.tr_mul(&columns);
        columns.gemm(-1.0, &self.directions, &along, 1.0);
        for mut column in columns.column_iter_mut() {
            let length = column.norm().max(1e-12);
            column /= length;
        }
        columns
    }
}

fn matrix(vectors: Vec<Vec<f32>>) -> DMatrix<f32> {
    DMatrix::from_vec(
        vectors.first().map_or(0, Vec::len),
        vectors.len(),
        vectors.concat(),
    )
}

/// As seen from the middle, of unit length.
fn around(columns: &mut DMatrix<f32>, middle: &DVector<f32>) {
    for mut column in columns.column_iter_mut() {
        column -= middle;
        let length = column.norm().max(1e-12);
        column /= length;
    }
}

/// The members of each group, the one in the middle first and the others by how like it they are. `counts` is how
/// often each was asked.
fn grouped(vectors: &DMatrix<f32>, counts: &[u64]) -> Vec<Vec<usize>> {
    let alike = Alike::of(vectors);
    let mut open = vec![true; counts.len()];
    // How many of those that are still open are alike to each.
    let mut around: Vec<u64> = (0..counts.len())
        .map(|one| alike.to(one).map(|other| counts[other]).sum())
        .collect();
    let mut groups = Vec::new();
    while let Some(middle) = (0..counts.len())
        .filter(|one| open[*one])
        .max_by_key(|one| (around[*one], Reverse(*one)))
        .filter(|one| around[*one] >= FEWEST)
    {
        let mut members: Vec<_> = alike.to(middle).filter(|other| open[*other]).collect();
        for member in &members {
            open[*member] = false;
            for other in alike.to(*member) {
                around[other] -= counts[*member];
            }
        }
        let of_middle = vectors.column(middle);
        let likeness = |member: &usize| vectors.column(*member).dot(&of_middle);
        members.sort_by(|a, b| likeness(b).total_cmp(&likeness(a)).then(a.cmp(b)));
        groups.push(members);
    }
    groups
}

/// Which columns are alike, a bit a pair: three megabytes for five thousand.
struct Alike {
    columns: usize,
    bits: Vec<u64>,
}

impl Alike {
    fn of(vectors: &DMatrix<f32>) -> Alike {
        let columns = vectors.ncols();
        let mut alike = Alike {
            columns,
            bits: vec![0; columns * columns.div_ceil(64)],
        };
        for start in (0..columns).step_by(BLOCK) {
            let block = vectors
                .columns(start, BLOCK.min(columns - start))
                .transpose();
            let cosines = block * vectors;
            for (one, cosines) in cosines.column_iter().enumerate() {
                for (row, cosine) in cosines.iter().enumerate() {
                    // A question is like itself, whatever its vector.
                    if *cosine >= ALIKE || start + row == one {
                        let bit = (start + row) * columns.div_ceil(64) * 64 + one;
                        alike.bits[bit / 64] |= 1 << (bit % 64);
                    }
                }
            }
        }
        alike
    }

    /// The columns that are like one, itself among them.
    fn to(&self, one: usize) -> impl Iterator<Item = usize> {
        let words = self.columns.div_ceil(64);
        let row = &self.bits[one * words..(one + 1) * words];
        row.iter().enumerate().flat_map(|(word, bits)| {
            let set = (0..64).filter(move |bit| bits & (1_u64 << bit) != 0);
            set.map(move |bit| word * 64 + bit)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Directions in degrees, as columns.
    fn circle(degrees: &[f32]) -> DMatrix<f32> {
        let columns = degrees.iter().map(|degrees| degrees.to_radians());
        let columns: Vec<_> = columns
            .flat_map(|angle| [angle.cos(), angle.sin()])
            .collect();
        DMatrix::from_vec(2, degrees.len(), columns)
    }

    #[test]
    fn the_one_with_the_most_alike_ones_leads_and_each_is_in_one_group() {
        // Alike within 63 degrees.
        for (degrees, counts, expected) in [
            (
                vec![0.0, 50.0, 100.0, 180.0],
                vec![1; 4],
                vec![vec![1, 0, 2]],
            ),
            // What is asked more often is more.
            (
                vec![0.0, 50.0, 100.0, 150.0],
                vec![1, 1, 1, 9],
                vec![vec![2, 1, 3]],
            ),
            (
                vec![0.0, 180.0, 1.0, 181.0, 2.0, 182.0, 183.0],
                vec![1; 7],
                vec![vec![1, 3, 5, 6], vec![0, 2, 4]],
            ),
            // One question that is asked often is a group, two that are asked once are none.
            (vec![0.0, 120.0, 240.0], vec![3, 2, 1], vec![vec![0]]),
            (vec![], vec![], vec![]),
        ] {
            let groups = grouped(&circle(&degrees), &counts);
            assert_eq!(
                groups.iter().map(|g| g[0]).collect::<Vec<_>>(),
                expected
                    .iter()
                    .map(|g: &Vec<usize>| g[0])
                    .collect::<Vec<_>>(),
                "{degrees:?}"
            );
            let sorted = |groups: &[Vec<usize>]| -> Vec<Vec<usize>> {
                let groups = groups.iter().cloned();
                groups
                    .map(|mut group| {
                        group.sort_unstable();
                        group
                    })
                    .collect()
            };
            assert_eq!(sorted(&groups), sorted(&expected), "{degrees:?}");
        }
    }

    #[test]
    fn blocks_and_words_have_no_borders() {
        let degrees: Vec<_> = (0..300)
            .map(|n| if n % 2 == 0 { 0.0 } else { 180.0 })
            .collect();
        let groups = grouped(&circle(&degrees), &vec![1; 300]);
        let sizes: Vec<_> = groups.iter().map(Vec::len).collect();
        assert_eq!(sizes, [150, 150]);
        assert!(
            groups[0]
                .iter()
                .all(|member| member % 2 == groups[0][0] % 2)
        );
    }

    fn told(text: &str, decision: &str) -> Told {
        Told {
            question: Some(text.to_owned()),
            decision: decision.to_owned(),
            nearest: Some("refund".to_owned()),
            ..Told::default()
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn questions_about_one_thing_are_found() {
        let jobs = [
            "你们招聘客服吗",
            "还招聘兼职客服吗",
            "你们店招聘吗？",
            "你们店招聘吗",
        ];
        let alone = ["今天天气怎么样", "write a quicksort in python", "讲个笑话"];
        let mut questions = Questions::default();
        for text in jobs {
            assert!(questions.add(told(text, "reject")));
        }
        for text in alone {
            questions.add(told(text, "forward"));
        }
        assert_eq!(questions.list.len(), 6);
        let embedder = Embedder::load(&crate::config::Model::default()).unwrap();
        let groups = questions.groups(&embedder).await.unwrap();
        let [group] = &groups[..] else {
            panic!("{groups:?}");
        };
        assert_eq!((group.count, group.different, group.rejected), (4, 3, 4));
        assert_eq!(group.nearest.as_deref(), Some("refund"));
        assert!(
            group.examples.iter().all(|one| one.read.contains("招聘")),
            "{group:?}"
        );
    }

    #[test]
    fn no_more_questions_are_taken_than_are_looked_at() {
        let mut questions = Questions::default();
        let taken =
            (0..2 * MOST).take_while(|n| questions.add(told(&format!("第 {n} 个"), "reject")));
        assert_eq!(taken.count() + 1, MOST);
    }
}
