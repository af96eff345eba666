//! Large buffers, on large pages where the system has them.
//!
//! Weights are written and read from end to end: pages of 2 MiB instead of 4 KiB spare 500 faults for each the first time, and
//! entries of the page tables later. All of a large page is cleared at once, so this is not for memory that is touched here and there.

use std::mem::MaybeUninit;

/// Bytes from which large pages are asked for: half of a smaller buffer would lie outside whole ones.
#[cfg(target_os = "linux")]
const LARGE: usize = 4 << 20;

/// `length` zeros.
pub fn zeroed(length: usize) -> Vec<f32> {
    filled(0.0, length)
}

/// `length` times `value`.
pub(crate) fn filled<T: Copy>(value: T, length: usize) -> Vec<T> {
    let mut values = Vec::with_capacity(length);
    prefer_large_pages(values.spare_capacity_mut());
    values.resize(length, value);
    values
}

/// Asks for large pages under a buffer that nothing has written to yet. What it holds does not change.
#[cfg(target_os = "linux")]
fn prefer_large_pages<T>(values: &mut [MaybeUninit<T>]) {
    let bytes = size_of_val(values);
    if bytes < LARGE {
        return;
    }
    // SAFETY: `sysconf` only reads its argument.
    let Ok(page @ 1..) = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }) else { return };
    let begin = values.as_mut_ptr().cast::<u8>();
    let skip = begin.align_offset(page);
    let whole = (bytes - skip.min(bytes)) / page * page;
    // SAFETY: the pages lie inside `values`; the advice changes how they are backed and not what is in them. A system without
    // large pages answers with an error, and nothing depends on the answer.
    unsafe { libc::madvise(begin.wrapping_add(skip).cast(), whole, libc::MADV_HUGEPAGE) };
}

/// Elsewhere the system decides.
#[cfg(not(target_os = "linux"))]
fn prefer_large_pages<T>(_values: &mut [MaybeUninit<T>]) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_of_any_length_are_zero_and_can_be_written() {
        for length in [0, 1, 1000, 1 << 20, (1 << 20) + 1, (3 << 20) + 77] {
            let mut values = zeroed(length);
            assert!(values.len() == length && values.iter().all(|value| *value == 0.0));
            values.iter_mut().enumerate().for_each(|(i, value)| *value = i as f32);
            assert!(values.iter().enumerate().all(|(i, value)| *value == i as f32));
        }
    }
}
