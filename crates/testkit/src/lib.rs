//! In-process servers, clocks and models for Wellspring's tests.
