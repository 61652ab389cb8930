//! Train image classifiers by transfer learning.
