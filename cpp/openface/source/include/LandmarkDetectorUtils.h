// Replacement of OpenFace's header of this name. The detector only needs its includes.
#pragma once

#include "stdafx.h"
