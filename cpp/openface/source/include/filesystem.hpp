// Empty, in the place of a header of Boost: stdafx.h has the names.
