// Empty replacement of a Boost header: stdafx.h has the names.
