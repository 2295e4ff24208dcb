//! What may have changed the behaviour: commits or builds, and which contains which.

use serde::{Deserialize, Serialize};

/// One commit, or one build of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// A commit hash, or a kernel's name.
    pub id: String,
    /// One line for a person.
    pub subject: String,
    /// Indices of the parents that are candidates too, all smaller than this one's own.
    pub parents: Vec<usize>,
}

/// Candidates from oldest to newest. The last is the bad end and contains all others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidates {
    all: Vec<Candidate>,
    /// Per candidate: the candidates it contains, itself included, one bit each.
    contained: Vec<Vec<u64>>,
}

impl Candidates {
    /// # Errors
    /// A message when a parent does not come before its child, or the last candidate does not contain them all.
    pub fn new(all: Vec<Candidate>) -> Result<Candidates, String> {
        let words = all.len().div_ceil(64);
        let mut contained: Vec<Vec<u64>> = Vec::with_capacity(all.len());
        for (index, candidate) in all.iter().enumerate() {
            let mut bits = vec![0; words];
            bits[index / 64] |= 1 << (index % 64);
            for parent in &candidate.parents {
                let of_parent = contained.get(*parent).ok_or_else(|| {
                    format!("{}: its parent {parent} does not come before it", candidate.id)
                })?;
                bits.iter_mut().zip(of_parent).for_each(|(own, other)| *own |= other);
            }
            contained.push(bits);
        }
        let all_bits = |bits: &Vec<u64>| bits.iter().map(|word| word.count_ones() as usize).sum::<usize>();
        match contained.last() {
            None => Err("there is nothing between the good and the bad end".to_owned()),
            Some(bits) if all_bits(bits) != all.len() => {
                Err("the bad end does not contain every candidate".to_owned())
            }
            Some(_) => Ok(Candidates { all, contained }),
        }
    }

    /// A list in which each contains those before it.
    ///
    /// # Errors
    /// When the list is empty.
    pub fn linear(names: impl IntoIterator<Item = (String, String)>) -> Result<Candidates, String> {
        let one = |(index, (id, subject)): (usize, (String, String))| {
            let parents = index.checked_sub(1).into_iter().collect();
            Candidate { id, subject, parents }
        };
        Candidates::new(names.into_iter().enumerate().map(one).collect())
    }

    pub fn len(&self) -> usize {
        self.all.len()
    }

    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub fn get(&self, index: usize) -> &Candidate {
        &self.all[index]
    }

    /// The bad end.
    pub fn last(&self) -> usize {
        self.all.len() - 1
    }

    pub fn index_of(&self, id: &str) -> Option<usize> {
        self.all.iter().position(|candidate| candidate.id == id)
    }

    /// Whether `holder` has `change` in its history.
    pub fn contains(&self, holder: usize, change: usize) -> bool {
        self.contained[holder][change / 64] >> (change % 64) & 1 == 1
    }

    /// What `holder` contains.
    pub fn history(&self, holder: usize) -> impl Iterator<Item = usize> + '_ {
        self.contained[holder].iter().enumerate().flat_map(|(word, bits)| {
            let mut bits = *bits;
            std::iter::from_fn(move || {
                let bit = bits.trailing_zeros() as usize;
                (bits != 0).then(|| {
                    bits &= bits - 1;
                    word * 64 + bit
                })
            })
        })
    }
}
