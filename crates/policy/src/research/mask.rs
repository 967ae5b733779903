use crate::candidates::choose;

/// Which of `N` actions may be chosen; `N` is 1 to 32, or the program does not compile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mask<const N: usize>(u32);

impl<const N: usize> Mask<N> {
    const FULL: u32 = {
        assert!(N >= 1 && N <= 32, "a mask has one bit of 32 for each action");
        u32::MAX >> (32 - N)
    };

    /// Every action.
    pub const ALL: Self = Self(Self::FULL);

    /// No action.
    pub const NONE: Self = Self(0);

    /// Bit `i` set: action `i` may be chosen. `None` when a bit beyond the last action is set.
    pub fn from_bits(bits: u32) -> Option<Self> {
        (bits & !Self::FULL == 0).then_some(Self(bits))
    }

    /// The actions for which `allowed` holds.
    pub fn of(allowed: impl Fn(usize) -> bool) -> Self {
        Self((0..N).filter(|&action| allowed(action)).fold(0, |bits, action| bits | 1 << action))
    }

    /// The bits.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether `action` may be chosen.
    pub const fn allows(self, action: usize) -> bool {
        action < N && self.0 >> action & 1 == 1
    }

    /// Whether nothing may be chosen.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The allowed action with the highest score, the first of equals; `None` when none is allowed
    /// or every allowed score is NaN.
    pub fn best(self, scores: &[f32]) -> Option<usize> {
        choose(scores, |action| self.allows(action))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn best_respects_the_mask_and_prefers_the_first_of_equals() {
        let scores = [1.0, 3.0, 3.0];
        assert_eq!(Mask::<3>::ALL.best(&scores), Some(1));
        assert_eq!(Mask::<3>::of(|action| action != 1).best(&scores), Some(2));
        assert_eq!(Mask::<3>::NONE.best(&scores), None);
        assert_eq!(Mask::<3>::ALL.best(&[f32::NAN, f32::NEG_INFINITY, f32::NAN]), Some(1));
    }

    #[test]
    fn bits_beyond_the_last_action_are_refused() {
        assert_eq!(Mask::<3>::from_bits(0b111), Some(Mask::ALL));
        assert_eq!(Mask::<3>::from_bits(0b1000), None);
        assert_eq!(Mask::<24>::ALL.bits(), 0xff_ffff);
    }
}
