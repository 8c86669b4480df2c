//! PKCS#12's own derivation from a password (RFC 7292, appendix B.2).

use zeroize::Zeroizing;

use crate::services::Hash;

/// What the bytes are for.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    Key = 1,
    Iv = 2,
    Mac = 3,
}

/// Derives `bytes` from a password in UTF-16 with its ending zero.
pub(super) fn derive(
    hash: Hash,
    purpose: Purpose,
    password: &[u8],
    salt: &[u8],
    rounds: u32,
    bytes: usize,
) -> Zeroizing<Vec<u8>> {
    let block = block_bytes(hash);
    let diversifier = vec![purpose as u8; block];
    let mut input = Zeroizing::new(stretched(salt, block));
    input.extend_from_slice(&Zeroizing::new(stretched(password, block)));
    let mut out = Zeroizing::new(Vec::with_capacity(bytes + hash.output_bytes()));
    loop {
        let mut a = hash.digest(&[&diversifier, &input]);
        for _ in 1..rounds {
            a = hash.digest(&[&a]);
        }
        out.extend_from_slice(&a);
        if out.len() >= bytes {
            out.truncate(bytes);
            return out;
        }
        let addend = Zeroizing::new(a.iter().copied().cycle().take(block).collect::<Vec<u8>>());
        input.chunks_exact_mut(block).for_each(|piece| add_one_more(piece, &addend));
    }
}

/// piece = piece + addend + 1, modulo its size.
fn add_one_more(piece: &mut [u8], addend: &[u8]) {
    let mut carry = 1_u16;
    for (byte, add) in piece.iter_mut().zip(addend).rev() {
        carry += u16::from(*byte) + u16::from(*add);
        *byte = carry.to_be_bytes()[1];
        carry >>= 8;
    }
}

/// Repeated up to the next whole block.
fn stretched(bytes: &[u8], block: usize) -> Vec<u8> {
    bytes.iter().copied().cycle().take(bytes.len().next_multiple_of(block)).collect()
}

const fn block_bytes(hash: Hash) -> usize {
    match hash {
        Hash::Sha384 | Hash::Sha512 | Hash::Sha512_224 | Hash::Sha512_256 => 128,
        _ => 64,
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use hex_literal::hex;

    use super::*;

    #[test]
    fn known_answers_for_sha_1() {
        // The password "smeg" as other implementations test it.
        let password = super::super::bmp("smeg");
        let key = derive(Hash::Sha1, Purpose::Key, &password, &hex!("0A58CF64530D823F"), 1, 24);
        assert_eq!(**key, hex!("8AAAE6297B6CB04642AB5B077851284EB7128F1A2A7FBCA3"));
        let iv = derive(Hash::Sha1, Purpose::Iv, &password, &hex!("0A58CF64530D823F"), 1, 8);
        assert_eq!(**iv, hex!("79993DFE048D3B76"));
    }
}
