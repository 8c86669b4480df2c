//! A secret cannot be printed, cloned, copied, serialised or dereferenced: such code does not compile.

#[test]
fn misuse_does_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
